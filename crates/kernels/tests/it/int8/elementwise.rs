//! Max-pool, upsampling, sums and tables of codes against plain loops.

use bonsai_kernels::int8::{MapCodes, QuantizedAdd, QuantizedMaxPool, QuantizedUpsample};
use bonsai_kernels::{Nhwc, PoolShape, Window};

use super::{Codes, Numbers, machines};

#[test]
fn a_pool_takes_the_largest_code_inside_the_image() {
    for (kernel, stride, padding) in [(5, 1, 2), (2, 2, 0), (3, 2, 1)] {
        let mut numbers = Numbers::new(kernel as u64);
        let input = Nhwc::new(2, 7, 9, 48);
        let window = Window::square(kernel, stride, padding);
        let shape = PoolShape::new(input, window).unwrap();
        let output = shape.output();
        let x = numbers.codes(input.len());
        let mut expected = Vec::new();
        for pixel in 0..output.pixels() {
            let image = pixel / (output.h * output.w);
            for c in 0..input.c {
                let rows = (0..kernel)
                    .filter_map(|tap| window.input_of(0, pixel / output.w % output.h, tap, input.h));
                let codes = rows.flat_map(|row| {
                    let columns =
                        (0..kernel).filter_map(|tap| window.input_of(1, pixel % output.w, tap, input.w));
                    let x = &x;
                    columns.map(move |column| x[((image * input.h + row) * input.w + column) * input.c + c])
                });
                expected.push(codes.max().unwrap());
            }
        }
        for (isa, threads) in machines() {
            let mut codes = Codes::default();
            let from = codes.filled(input, 4, &x);
            let y = codes.room(output.pixels(), input.c / 4, 12);
            let pool = QuantizedMaxPool { isa, shape, x: from, y };
            assert!(codes.run(threads, &y, |p| p.push("pool", pool)) == expected, "{kernel} on {isa}");
        }
    }
}

#[test]
fn upsampling_repeats_pixels() {
    let mut numbers = Numbers::new(3);
    let input = Nhwc::new(2, 3, 5, 16);
    let x = numbers.codes(input.len());
    let mut expected = Vec::new();
    for row in 0..2 * 3 * 3 {
        for column in 0..5 * 3 {
            let pixel = row / 3 * 5 + column / 3;
            expected.extend_from_slice(&x[pixel * 16..][..16]);
        }
    }
    for (isa, threads) in machines() {
        let mut codes = Codes::default();
        let from = codes.filled(input, 4, &x);
        let y = codes.room(expected.len() / 16, 4, 8);
        let upsample = QuantizedUpsample { input, factor: 3, x: from, y };
        assert!(codes.run(threads, &y, |p| p.push("upsample", upsample)) == expected, "{isa}");
    }
}

#[test]
fn sums_round_once_and_saturate() {
    let mut numbers = Numbers::new(4);
    let shape = Nhwc::new(1, 9, 9, 32);
    let [a, b] = [0, 1].map(|_| numbers.codes(shape.len()));
    let factors = [0.75, 1.5, -40.125];
    let sum = |(a, b): (&u8, &u8)| {
        let sum = f32::from(*a) * factors[0] + f32::from(*b) * factors[1] + factors[2];
        sum.clamp(0.0, 255.0).round_ties_even() as u8
    };
    let expected: Vec<u8> = a.iter().zip(&b).map(sum).collect();
    assert!(expected.contains(&0) && expected.contains(&255));
    for (isa, threads) in machines() {
        let mut codes = Codes::default();
        let a = codes.filled(shape, 4, &a);
        let b = codes.filled(shape, 0, &b);
        let y = codes.room(shape.pixels(), 8, 4);
        let apart = QuantizedAdd { isa, a, b, y, factors };
        assert!(codes.run(threads, &y, |p| p.push("add", apart)) == expected, "{isa}");
        let in_place = QuantizedAdd { isa, a, b, y: a, factors };
        assert!(codes.run(threads, &a, |p| p.push("add", in_place)) == expected, "{isa}, in place");
    }
}

#[test]
fn a_table_replaces_every_code() {
    let mut numbers = Numbers::new(5);
    let shape = Nhwc::new(1, 4, 8, 16);
    let x: Vec<u8> = (0..shape.len()).map(|i| (i * 3) as u8).collect();
    let table: Box<[u8; 256]> = Box::new(std::array::from_fn(|_| numbers.next() as u8));
    let expected: Vec<u8> = x.iter().map(|code| table[usize::from(*code)]).collect();
    for (isa, threads) in machines() {
        let mut codes = Codes::default();
        let x = codes.filled(shape, 4, &x);
        let y = codes.room(shape.pixels(), 4, 0);
        for to in [y, x] {
            let map = MapCodes { isa, x, y: to, table: table.clone() };
            assert!(codes.run(threads, &to, |p| p.push("map", map)) == expected, "{isa}");
        }
    }
}
