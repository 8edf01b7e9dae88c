//! The candle functions compute the same as the functions on slices.

use bonsai_sparsity::{add_l1, add_l1_to_gradient, add_scaled_l1, shrink, shrink_var};
use candle_core::{DType, Device, Tensor, Var};

const VALUES: [f32; 4] = [2.0, -3.0, 0.0, -0.5];

fn var(dtype: DType) -> Var {
    let tensor = Tensor::new(&VALUES, &Device::Cpu).unwrap().to_dtype(dtype).unwrap();
    Var::from_tensor(&tensor).unwrap()
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.to_dtype(DType::F32).unwrap().to_vec1().unwrap()
}

#[test]
fn it_adds_what_the_rule_on_slices_adds() {
    for dtype in [DType::F32, DType::F64, DType::BF16] {
        let var = var(dtype);
        let mut grads = var.sqr().unwrap().sum_all().unwrap().backward().unwrap();
        let mut expected = VALUES.map(|v| 2.0 * v);
        assert_eq!(values(grads.get(&var).unwrap()), expected);
        add_l1(&mut grads, &var, 0.25).unwrap();
        add_l1_to_gradient(&mut expected, &VALUES, 0.25);
        assert_eq!(values(grads.get(&var).unwrap()), expected, "{dtype:?}");
        assert_eq!(expected.to_vec(), [4.25, -6.25, 0.0, -1.25]);
    }
}

#[test]
fn a_variable_without_a_gradient_gets_the_penalty_alone() {
    let reached = var(DType::F32);
    let other = var(DType::F32);
    let mut grads = reached.sum_all().unwrap().backward().unwrap();
    add_l1(&mut grads, &other, 0.5).unwrap();
    assert_eq!(values(grads.get(&other).unwrap()), [0.5, -0.5, 0.0, -0.5]);
    assert_eq!(values(grads.get(&reached).unwrap()), [1.0; 4], "other gradients must not change");
}

#[test]
fn a_variable_of_any_shape() {
    let var = Var::from_tensor(&Tensor::new(&[[1.0f32, -1.0], [0.0, 2.0]], &Device::Cpu).unwrap()).unwrap();
    let mut grads = var.sum_all().unwrap().backward().unwrap();
    add_l1(&mut grads, &var, 1.0).unwrap();
    assert_eq!(grads.get(&var).unwrap().to_vec2::<f32>().unwrap(), [[2.0, 0.0], [1.0, 2.0]]);
}

/// Scaling the loss by a power of two and unscaling before the step must not change a bit of the step.
#[test]
fn a_scaled_loss_with_scaled_l1_gives_the_same_step() {
    let step = |loss_scale: f64| {
        let var = var(DType::F32);
        let loss = var.sqr().unwrap().sum_all().unwrap();
        let mut grads = (loss * loss_scale).unwrap().backward().unwrap();
        add_scaled_l1(&mut grads, &var, 0.01, loss_scale).unwrap();
        let unscaled = (grads.get(&var).unwrap() / loss_scale).unwrap();
        values(&(var.as_tensor() - (unscaled * 0.1).unwrap()).unwrap())
    };
    let plain = step(1.0);
    assert_eq!(plain, VALUES.map(|v| v - 0.1 * (2.0 * v + 0.01 * if v == 0.0 { 0.0 } else { v.signum() })));
    for loss_scale in [65536.0, 1024.0, 0.5] {
        assert_eq!(step(loss_scale), plain, "{loss_scale}");
    }
}

#[test]
fn a_variable_shrinks_as_a_slice_does() {
    for dtype in [DType::F32, DType::F64, DType::BF16] {
        let var = var(dtype);
        shrink_var(&var, 0.5).unwrap();
        let mut expected = VALUES;
        shrink(&mut expected, 0.5);
        assert_eq!(values(&var), expected, "{dtype:?}");
        assert_eq!(expected, [1.5, -2.5, 0.0, 0.0]);
    }
}
