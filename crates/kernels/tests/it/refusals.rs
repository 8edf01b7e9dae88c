//! Arguments that do not fit are errors that say which and by how much, and leave the outputs alone.

use bonsai_kernels::batch_norm::{self, Affine};
use bonsai_kernels::channels::{self, Span};
use bonsai_kernels::{
    ConvShape, KernelError, Nhwc, PoolShape, Window, add, conv, layout, max_pool, silu, upsample,
};

const IMAGE: Nhwc = Nhwc::new(1, 4, 4, 2);

#[test]
fn every_argument_of_a_convolution_is_checked() {
    let shape = ConvShape::new(IMAGE, 3, Window::square(3, 1, 1)).unwrap();
    let (x, weights, bias, mut y) = ([0.0; 32], [0.0; 54], [0.0; 3], [7.0; 48]);
    let error = conv::forward(&shape, &x[1..], &weights, None, &mut y).unwrap_err();
    assert_eq!(error.to_string(), "conv::forward: `x` has 31 values, its shape needs 32");
    assert!(conv::forward(&shape, &x, &weights[1..], None, &mut y).is_err());
    assert!(conv::forward(&shape, &x, &weights, Some(&bias[1..]), &mut y).is_err());
    assert!(conv::forward(&shape, &x, &weights, None, &mut y[1..]).is_err());
    assert_eq!(y, [7.0; 48]);
    assert!(conv::backward_input(&shape, &y[1..], &weights, &mut [0.0; 32]).is_err());
    assert!(conv::backward_input(&shape, &y, &weights, &mut [0.0; 31]).is_err());
    assert!(conv::backward_weights(&shape, &x, &y, &mut [0.0; 53]).is_err());
    assert!(conv::backward_bias(&shape, &y, &mut [0.0; 2]).is_err());
    conv::forward(&shape, &x, &weights, Some(&bias), &mut y).unwrap();
}

#[test]
fn the_other_kernels_check_too() {
    let pool = PoolShape::new(IMAGE, Window::square(2, 2, 0)).unwrap();
    assert!(max_pool::forward(&pool, &[0.0; 32], &mut [0.0; 8], &mut [0; 7]).is_err());
    assert!(max_pool::backward(&pool, &[0.0; 8], &[0; 8], &mut [0.0; 31]).is_err());
    assert!(silu::forward(&[0.0; 2], &mut [0.0; 1]).is_err());
    assert!(silu::backward(&[0.0; 2], &[0.0; 1], &mut [0.0; 2]).is_err());
    assert!(add::forward(&[0.0; 2], &[0.0; 1], &mut [0.0; 2]).is_err());
    assert!(add::accumulate(&[0.0; 2], &mut [0.0; 1]).is_err());
    assert!(upsample::forward(IMAGE, 2, &[0.0; 32], &mut [0.0; 127]).is_err());
    assert_eq!(upsample::output(IMAGE, 0), Err(KernelError::Factor { factor: 0 }));
    assert!(upsample::output(IMAGE, usize::MAX).is_err());
    assert!(channels::slice(4, Span::whole(2), &[0.0; 8], &mut [0.0; 7]).is_err());
    assert!(layout::oihw_to_hwio([2, 2, 1, 1], &[0.0; 3]).is_err());
}

#[test]
fn a_batch_of_one_value_has_no_statistics() {
    let affine = Affine { gamma: &[1.0; 2], beta: &[0.0; 2], eps: 1e-3 };
    let shape = Nhwc::new(1, 1, 1, 2);
    let error = batch_norm::forward(shape, affine, &[1.0; 2], &mut [0.0; 2]).unwrap_err();
    assert_eq!(error, KernelError::TooFewValues { shape, got: 1 });
    assert!(batch_norm::forward(IMAGE, affine, &[1.0; 32], &mut [0.0; 31]).is_err());
    let narrow = Affine { gamma: &[1.0], ..affine };
    assert!(batch_norm::forward(IMAGE, narrow, &[1.0; 32], &mut [0.0; 32]).is_err());
}

#[test]
fn empty_batches_are_allowed() {
    let empty = Nhwc::new(0, 4, 4, 2);
    let shape = ConvShape::new(empty, 3, Window::square(3, 1, 1)).unwrap();
    let mut dweights = [1.0; 54];
    conv::forward(&shape, &[], &[0.0; 54], None, &mut []).unwrap();
    conv::backward_weights(&shape, &[], &[], &mut dweights).unwrap();
    assert_eq!(dweights, [0.0; 54]);
    let pool = PoolShape::new(empty, Window::square(2, 2, 0)).unwrap();
    max_pool::forward(&pool, &[], &mut [], &mut []).unwrap();
}
