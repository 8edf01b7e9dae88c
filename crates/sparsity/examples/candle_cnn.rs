//! Example: L1 sparsity in a candle training loop of your own, for a small classifier instead of YOLO.
//!
//! The network learns to distinguish horizontal from vertical stripes with far more channels than necessary,
//! and L1 shows which channels are not needed. The important lines are the plan, which chooses the L1
//! strength for a training of this length, and the two calls of `add_l1` between backward and step.
//!
//! Run with `cargo run --release -p bonsai-sparsity --features candle --example candle_cnn`.

#![allow(clippy::print_stdout, reason = "an example prints its results")]

use bonsai_sparsity::{L1Plan, PlannedStep, Strength, add_l1};
use candle_core::{D, DType, Device, Result, Tensor, Var};
use candle_nn::{BatchNorm, ModuleT, Optimizer, SGD, loss};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const SIDE: usize = 8;
const BATCH: usize = 32;
const CHANNELS: usize = 16;
const EPOCHS: usize = 12;
const BATCHES: usize = 25;
const LR: f64 = 0.1;

/// Convolution, batch norm, rectifier.
struct Block {
    kernel: Var,
    gamma: Var,
    beta: Var,
    norm: BatchNorm,
}

impl Block {
    fn new(rng: &mut ChaCha8Rng, in_channels: usize) -> Result<Self> {
        let kernel = random(rng, &[CHANNELS, in_channels, 3, 3], (2.0 / (9 * in_channels) as f32).sqrt())?;
        let zeros = vec![0f32; CHANNELS];
        let ones = vec![1f32; CHANNELS];
        let tensor = |values: &[f32]| Tensor::new(values, &Device::Cpu);
        let gamma = Var::from_tensor(&tensor(&ones)?)?;
        let beta = Var::from_tensor(&tensor(&zeros)?)?;
        let affine = (gamma.as_tensor().clone(), beta.as_tensor().clone());
        let norm = BatchNorm::new(CHANNELS, tensor(&zeros)?, tensor(&ones)?, affine.0, affine.1, 1e-3)?;
        Ok(Self { kernel, gamma, beta, norm })
    }

    fn forward(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        self.norm.forward_t(&x.conv2d(&self.kernel, 1, 1, 1, 1)?, train)?.relu()
    }
}

struct Network {
    blocks: [Block; 2],
    head: Var,
}

impl Network {
    /// Scores `[n, 2]` of images `[n, 1, SIDE, SIDE]`.
    fn forward(&self, images: &Tensor, train: bool) -> Result<Tensor> {
        let x = self.blocks.iter().try_fold(images.clone(), |x, block| block.forward(&x, train))?;
        x.mean(D::Minus1)?.mean(D::Minus1)?.matmul(&self.head)
    }

    fn vars(&self) -> Vec<Var> {
        let of = |b: &Block| [b.kernel.clone(), b.gamma.clone(), b.beta.clone()];
        self.blocks.iter().flat_map(of).chain([self.head.clone()]).collect()
    }
}

fn random(rng: &mut ChaCha8Rng, shape: &[usize], size: f32) -> Result<Var> {
    let values = (0..shape.iter().product()).map(|_| rng.random_range(-size..size)).collect();
    Var::from_tensor(&Tensor::from_vec(values, shape, &Device::Cpu)?)
}

/// Stripes of random phase with noise, and a label for their direction.
fn stripes(rng: &mut ChaCha8Rng) -> Result<(Tensor, Tensor)> {
    let mut pixels = Vec::new();
    let mut labels = Vec::new();
    for _ in 0..BATCH {
        let vertical = rng.random::<bool>();
        let phase = rng.random_range(0..4);
        labels.push(u32::from(vertical));
        for y in 0..SIDE {
            for x in 0..SIDE {
                let along = if vertical { x } else { y };
                let ink = if (along + phase) % 4 < 2 { 1.0 } else { -1.0 };
                pixels.push(ink + rng.random_range(-1.0f32..1.0));
            }
        }
    }
    let images = Tensor::from_vec(pixels, (BATCH, 1, SIDE, SIDE), &Device::Cpu)?;
    Ok((images, Tensor::new(labels, &Device::Cpu)?))
}

fn main() -> Result<()> {
    let rng = &mut ChaCha8Rng::seed_from_u64(1);
    let blocks = [Block::new(rng, 1)?, Block::new(rng, CHANNELS)?];
    let network = Network { blocks, head: random(rng, &[CHANNELS, 2], 0.5)? };
    let mut optimiser = SGD::new(network.vars(), LR)?;

    // candle's SGD has no momentum.
    let steps = (0..EPOCHS * BATCHES).map(|i| PlannedStep {
        epoch: i / BATCHES,
        gamma_lr: LR,
        beta_lr: LR,
        momentum: 0.0,
        times: 1.0,
    });
    let plan = L1Plan { beta: Strength::Lambda(0.01), ..L1Plan::TRAVEL };
    let forecast = plan.forecast(EPOCHS, steps).map_err(candle_core::Error::wrap)?;
    let schedule = forecast.schedule;
    println!("with {:.3} on gamma, {}", schedule.gamma, forecast.gamma);

    for epoch in 0..EPOCHS {
        let l1 = schedule.at(epoch, EPOCHS);
        let mut sum = 0.0;
        for _ in 0..BATCHES {
            let (images, labels) = stripes(rng)?;
            let loss = loss::cross_entropy(&network.forward(&images, true)?, &labels)?;
            let mut grads = loss.backward()?;
            for block in &network.blocks {
                add_l1(&mut grads, &block.gamma, f64::from(l1.gamma))?;
                add_l1(&mut grads, &block.beta, f64::from(l1.beta))?;
            }
            optimiser.step(&grads)?;
            sum += loss.to_scalar::<f32>()?;
        }
        println!("epoch {epoch}: loss {:.3}, L1 on gamma {:.3}", sum / BATCHES as f32, l1.gamma);
    }

    let (images, labels) = stripes(rng)?;
    let guesses = network.forward(&images, false)?.argmax(D::Minus1)?;
    let right = guesses.eq(&labels)?.to_dtype(DType::U32)?.sum_all()?.to_scalar::<u32>()?;
    println!("{right} of {BATCH} new images are classified correctly");
    for (i, block) in network.blocks.iter().enumerate() {
        let gammas = block.gamma.to_vec1::<f32>()?;
        let small = gammas.iter().filter(|g| g.abs() < 0.05).count();
        println!("block {i}: {small} of {CHANNELS} channels have a gamma below 0.05 and can be removed");
    }
    Ok(())
}
