//! Arguments that do not fit together are refused before anything runs.

use bonsai_kernels::int8::{
    Int8Isa, MapCodes, QuantizedAdd, QuantizedConv, QuantizedMaxPool, QuantizedOutput, QuantizedUpsample,
    Requantization,
};
use bonsai_kernels::{Isa, KernelError, Nhwc, PoolShape, Program, View, Window};

fn refused<T>(result: Result<T, KernelError>, part: &str) {
    let error = result.err().expect("an error").to_string();
    assert!(error.contains(part), "{error}");
}

#[test]
fn a_convolution_checks_its_sizes() {
    let isa = Int8Isa::detect();
    let window = Window::square(3, 1, 1);
    let image = Nhwc::new(1, 8, 8, 16);
    refused(QuantizedConv::new(isa, Nhwc { c: 3, ..image }, 0, 16, window), "channels of the input");
    refused(QuantizedConv::new(isa, image, 0, 17, window), "channels of the output");
    refused(QuantizedConv::new(isa, Nhwc { c: 1 << 14, ..image }, 0, 16, window), "sum of the products");
    refused(QuantizedConv::depthwise(isa, Nhwc { c: 4, ..image }, 0, window), "channels of the input");

    let conv = QuantizedConv::new(isa, image, 7, 16, window).unwrap();
    refused(conv.clone().with_live(&[0..8, 8..24]), "live input channels");
    let narrow = conv.clone().with_live(&[0..1, 2..3]).unwrap();
    let ones = vec![1; narrow.weights_len()];
    let mut constants = vec![0; 4 * narrow.constants_len()];
    let full = Requantization { scale: vec![1.0; 16], bias: vec![0.0; 16], table: None };
    refused(narrow.write_constants(&mut constants, &ones, &full), "not live");
    let right = Requantization { scale: vec![1.0; 16], bias: vec![0.0; 16], table: None };
    let weights = vec![0; conv.weights_len()];
    let mut constants = vec![0; 4 * conv.constants_len()];
    assert!(conv.write_constants(&mut constants, &weights, &right).is_ok());
    refused(conv.write_constants(&mut constants[4..], &weights, &right), "constants");
    refused(conv.write_constants(&mut constants, &weights[1..], &right), "weights");
    let short = Requantization { bias: vec![0.0; 15], ..right };
    refused(conv.write_constants(&mut constants, &weights, &short), "biases");

    let x = View::dense(0, 0, 64, 4);
    let y = View::dense(0, x.end(), 64, 4);
    let words = View::vector(0, y.end(), conv.constants_len());
    let codes = QuantizedOutput::Codes { table: false, residual: None };
    let push = |views, output| conv.push(&mut Program::new(Isa::PORTABLE), "c", views, output);
    assert!(push([x, words, y], codes).is_ok());
    refused(push([View { pixels: 63, ..x }, words, y], codes), "pixels of x");
    refused(push([x, View { channels: 5, ..words }, y], codes), "the constants");
    refused(push([x, words, y], QuantizedOutput::Values), "channels of y");
    let residual = Some((View::dense(0, words.end(), 64, 8), [1.0; 3]));
    refused(push([x, words, y], QuantizedOutput::Codes { table: false, residual }), "the residual");
    let residual = Some((y, [1.0; 3]));
    refused(push([x, words, y], QuantizedOutput::Codes { table: false, residual }), "overlap");
    refused(push([x, words, x], codes), "overlap");
}

#[test]
fn element_wise_kernels_check_their_views() {
    let isa = Int8Isa::detect();
    let x = View::dense(0, 0, 64, 4);
    let y = View::dense(0, 1024, 64, 4);
    let mut program = Program::new(Isa::PORTABLE);
    let half = View { channels: 2, ..y };
    refused(program.push("a", QuantizedAdd { isa, a: x, b: x, y: half, factors: [1.0; 3] }), "channels of y");
    let short = View { pixels: 32, ..y };
    refused(program.push("a", QuantizedAdd { isa, a: x, b: short, y, factors: [1.0; 3] }), "pixels of b");
    refused(program.push("m", MapCodes { isa, x: short, y, table: Box::new([0; 256]) }), "pixels of x");
    let input = Nhwc::new(1, 8, 8, 16);
    let shape = PoolShape::new(input, Window::square(3, 1, 1)).unwrap();
    refused(program.push("p", QuantizedMaxPool { isa, shape, x, y: short }), "pixels of the output");
    refused(program.push("u", QuantizedUpsample { input, factor: 0, x, y }), "factor");
    refused(program.push("u", QuantizedUpsample { input, factor: 2, x, y }), "pixels of y");
    assert!(program.is_empty());
}
