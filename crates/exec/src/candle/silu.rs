//! [`forward`] and [`backward`] of SiLU, `x * sigmoid(x)` (Elfwing et al. 2017).

use candle_core::{Result, Tensor};
use rayon::prelude::*;

use super::host::{host_values, tensor_like};

/// Number of values in one task, small enough to stay in the cache of a core.
const CHUNK: usize = 1 << 14;

/// `x * sigmoid(x)`.
pub(super) fn forward(x: &Tensor) -> Result<Tensor> {
    let x = x.contiguous()?;
    let Some(host) = host_values(&x) else { return x.silu() };
    let mut y = vec![0.0f32; x.elem_count()];
    y.par_chunks_mut(CHUNK).zip(host.par_chunks(CHUNK)).for_each(|(y, x)| {
        for (y, x) in y.iter_mut().zip(x) {
            *y = x / (1.0 + (-x).exp());
        }
    });
    tensor_like(y, &x)
}

/// Gradient of the input `x`: `dy * s * (1 + x * (1 - s))` with `s = sigmoid(x)`.
pub(super) fn backward(x: &Tensor, dy: &Tensor) -> Result<Tensor> {
    let x = x.contiguous()?;
    let dy = dy.contiguous()?;
    let (Some(x_host), Some(dy_host)) = (host_values(&x), host_values(&dy)) else {
        return device_backward(&x, &dy);
    };
    let mut dx = vec![0.0f32; x.elem_count()];
    dx.par_chunks_mut(CHUNK).zip(x_host.par_chunks(CHUNK)).zip(dy_host.par_chunks(CHUNK)).for_each(
        |((dx, x), dy)| {
            for ((dx, x), dy) in dx.iter_mut().zip(x).zip(dy) {
                let s = 1.0 / (1.0 + (-x).exp());
                *dx = dy * s * (1.0 + x * (1.0 - s));
            }
        },
    );
    tensor_like(dx, &x)
}

fn device_backward(x: &Tensor, dy: &Tensor) -> Result<Tensor> {
    let s = candle_nn::ops::sigmoid(x)?;
    let y = (x * &s)?;
    ((&s + &y)? - (y * &s)?)? * dy
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn host_and_device_passes_agree() {
        let x = Tensor::randn(0.0f32, 4.0, 40_001, &Device::Cpu).unwrap();
        let dy = Tensor::randn(0.0f32, 1.0, 40_001, &Device::Cpu).unwrap();
        let largest = |t: Tensor| t.abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
        // Tolerance: a few rounding errors of values of order 10.
        assert!(largest((forward(&x).unwrap() - x.silu().unwrap()).unwrap()) < 1e-5);
        assert!(largest((backward(&x, &dy).unwrap() - device_backward(&x, &dy).unwrap()).unwrap()) < 1e-5);
    }

    #[test]
    fn far_out_values_stay_finite() {
        let x = Tensor::new(&[-200.0f32, -90.0, 0.0, 90.0, 200.0], &Device::Cpu).unwrap();
        assert_eq!(forward(&x).unwrap().to_vec1::<f32>().unwrap()[2..], [0.0, 90.0, 200.0]);
        let dx = backward(&x, &x.ones_like().unwrap()).unwrap().to_vec1::<f32>().unwrap();
        assert!(dx.iter().all(|v| v.is_finite()), "{dx:?}");
    }
}
