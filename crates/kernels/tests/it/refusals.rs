//! Tests of operands that do not fit: the error names the operand and both sizes, and the kernel is not
//! appended.

use bonsai_kernels::{
    BatchNorm, BatchNormGradient, BiasGradient, BiasSums, Copy, FoldBatchNorm, FrozenBatchNorm, Isa, Kernel,
    KernelError, MaxPool, MaxPoolGradient, Moments, Nhwc, Pointwise, PointwiseGradient, PointwiseSums,
    PoolShape, Program, Upsample, UpsampleGradient, View, Window, Zero,
};

/// Appends a kernel, which must fail with [`KernelError::Operand`].
#[track_caller]
fn refused<K: Kernel>(kernel: K) -> String {
    let mut program = Program::new(Isa::PORTABLE);
    let error = program.push("layer", kernel).unwrap_err();
    assert!(matches!(error, KernelError::Operand { .. }), "{error}");
    assert!(program.is_empty());
    error.to_string()
}

/// A tensor of 4 pixels and 32 channels at position `i` of the buffer.
fn tensor(i: usize) -> View {
    View::dense(0, 1000 * i, 4, 32)
}

fn vector(i: usize) -> View {
    View::vector(0, 100_000 + 100 * i, 32)
}

#[test]
fn element_wise() {
    let good = Pointwise { y: tensor(0), z: tensor(1), norm: None, silu: true, residual: None };
    let narrow = tensor(1).columns(0, 16);
    let message = refused(Pointwise { z: narrow, ..good.clone() });
    assert_eq!(message, "layer: channels of z: expected 32, got 16");
    refused(Pointwise { y: View { channels: 24, ..tensor(0) }, ..good.clone() });
    refused(Pointwise { residual: Some(View { pixels: 3, ..tensor(2) }), ..good.clone() });
    refused(Pointwise { norm: Some((vector(0), vector(1).columns(0, 16))), ..good.clone() });
    // A partial overlap is neither in place nor out of place.
    let shifted = View { offset: 16, ..tensor(0) };
    let overlap = Program::new(Isa::PORTABLE).push("layer", Pointwise { z: shifted, ..good }).unwrap_err();
    assert!(matches!(overlap, KernelError::Overlap { .. }), "{overlap}");

    let norm = Some([vector(0), vector(1), vector(2), tensor(3)]);
    refused(PointwiseGradient {
        y: tensor(0),
        dz: tensor(1),
        dy: tensor(2),
        norm,
        silu: true,
        accumulate: false,
    });
    refused(Copy { from: tensor(0), to: narrow, accumulate: false });
    refused(Zero { view: View { channels: 3, ..tensor(0) } });
    refused(BiasSums { dy: tensor(0), partials: tensor(1) });
    refused(BiasGradient { partials: tensor(1), db: narrow });
    let partials = View::dense(0, 50_000, 2, 32);
    let [scale, shift, mean, inv] = [0, 1, 2, 3].map(vector);
    let sums = PointwiseSums {
        y: tensor(0),
        dz: tensor(1),
        scale,
        shift,
        mean,
        inv,
        silu: true,
        partials,
        residual: None,
    };
    assert!(Program::new(Isa::PORTABLE).push("layer", sums.clone()).is_ok());
    refused(PointwiseSums { partials: View { pixels: 1, ..partials }, ..sums.clone() });
    refused(PointwiseSums { residual: Some((narrow, true)), ..sums });
}

#[test]
fn batch_norms() {
    let partials = View::dense(0, 50_000, 2, 32);
    refused(Moments { y: tensor(0), partials: View { pixels: 4, ..partials } });
    let [gamma, beta, running_mean, running_var, mean, inv, scale, shift] =
        [0, 1, 2, 3, 4, 5, 6, 7].map(vector);
    let norm = BatchNorm {
        counts: vec![4],
        partials,
        gamma,
        beta,
        running_mean,
        running_var,
        momentum: 0.03,
        eps: 1e-3,
        mean,
        inv,
        scale,
        shift,
    };
    assert!(Program::new(Isa::PORTABLE).push("layer", norm.clone()).is_ok());
    assert!(refused(BatchNorm { counts: vec![1], ..norm.clone() }).ends_with("expected 2, got 1"));
    refused(BatchNorm { counts: vec![2, 2], ..norm.clone() });
    refused(BatchNorm { shift: gamma.columns(0, 16), ..norm });
    let dgamma = running_mean;
    let dbeta = running_var;
    let k1 = beta;
    let k0 = shift;
    let gradient = BatchNormGradient { pixels: 4, partials, scale, mean, inv, dgamma, dbeta, k1, k0 };
    refused(BatchNormGradient { pixels: 1, ..gradient.clone() });
    refused(BatchNormGradient { partials: View { pixels: 3, ..partials }, ..gradient });
    let var = running_var;
    let eps = 1e-3;
    refused(FrozenBatchNorm { gamma, beta, mean, var: tensor(0), eps, scale, shift });
    let weights = tensor(0);
    let folded = tensor(1).columns(0, 16);
    let bias = None;
    refused(FoldBatchNorm { weights, folded, gamma, beta, mean, var, eps, bias, folded_bias: shift });
}

#[test]
fn poolings_and_upsampling() {
    let image = Nhwc::new(1, 2, 2, 32);
    let shape = PoolShape::new(image, Window::square(2, 2, 0)).unwrap();
    let x = tensor(0);
    let y = View::dense(0, 1000, 1, 32);
    let argmax = View::vector(0, 2000, MaxPool::argmax_len(&shape));
    refused(MaxPool { shape, x, y: x, argmax: None });
    refused(MaxPool { shape, x, y, argmax: Some(argmax.columns(0, 0)) });
    refused(MaxPoolGradient { shape, dy: y, argmax, dx: y, accumulate: false });
    let empty = PoolShape::new(Nhwc::new(1, 0, 0, 16), Window::square(2, 1, 1)).unwrap();
    refused(MaxPool { shape: empty, x: View::dense(0, 0, 0, 16), y: View::dense(0, 0, 1, 16), argmax: None });

    refused(Upsample { input: image, factor: 2, x: tensor(0), y: tensor(1) });
    refused(UpsampleGradient {
        input: image,
        factor: 3,
        dy: View::dense(0, 0, 16, 32),
        dx: tensor(1),
        accumulate: false,
    });
    assert_eq!(Upsample::output(image, 0), Err(KernelError::Factor { factor: 0 }));
    assert!(matches!(Upsample::output(image, usize::MAX), Err(KernelError::TooLarge { .. })));
    let mut program = Program::new(Isa::PORTABLE);
    assert!(program.push("layer", Upsample { input: image, factor: 0, x: tensor(0), y: tensor(1) }).is_err());
}

#[test]
fn empty_batches_are_allowed() {
    let view = View::dense(0, 0, 0, 16);
    let mut program = Program::new(Isa::PORTABLE);
    program.push("layer", Pointwise { y: view, z: view, norm: None, silu: true, residual: None }).unwrap();
    program.push("layer", Zero { view }).unwrap();
    let shape = PoolShape::new(Nhwc::new(0, 4, 4, 16), Window::square(2, 2, 0)).unwrap();
    program.push("layer", MaxPool { shape, x: view, y: view, argmax: None }).unwrap();
    let team = bonsai_kernels::Team::new(1).unwrap();
    program.run(&team, &mut [&mut bonsai_kernels::AlignedBuffer::zeroed(0)]).unwrap();
}
