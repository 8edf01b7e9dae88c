//! The memory that is checked before a training: for the largest size of its batches, and for a batch that is to fit;
//! and the optimisers that an executor lacks.

use bonsai_exec::{Device, ExecutorKind, ExecutorOptions, MemoryBudget, MemoryLimit};
use bonsai_pipeline::{LoadingConfig, Optimizer, TrainConfig};
use bonsai_stages::{RunContext, check_optimizer, check_training, fitting_batch};
use bonsai_yolov8::{Scale, build};

fn context(bytes: u64, multi_scale: f64) -> RunContext {
    RunContext {
        ranks: None,
        imgsz: 320,
        seed: 0,
        executor: ExecutorOptions {
            budget: Some(MemoryBudget { bytes, limit: MemoryLimit::Machine }),
            threads: 1,
            ..ExecutorOptions::default()
        },
        loader: LoadingConfig { multi_scale, ..LoadingConfig::default() },
        rect: false,
    }
}

/// The memory of the largest size decides, so that no batch fails in the middle of a training.
#[test]
fn the_largest_size_of_a_batch_must_fit() {
    let model = build(Scale::N, &["cell".to_owned()]).unwrap();
    let config = TrainConfig { batch: 8, ..TrainConfig::default() };
    let check = |context: &RunContext| check_training(model.graph(), &config, context, [100, 20]);
    // The least budget, in MiB, that the check accepts.
    let least = |multi_scale| {
        (1..4096).step_by(16).find(|mib| check(&context(mib << 20, multi_scale)).is_ok()).unwrap() as f64
    };
    let (plain, scaled) = (least(0.0), least(0.5));
    // 480 px have 2.25 times the pixels of 320 px; parameters and evaluation do not grow.
    assert!(scaled / plain > 1.5 && scaled / plain < 2.3, "{plain} and {scaled} MiB");
    let error = check(&context((f64::midpoint(plain, scaled) as u64) << 20, 0.5)).unwrap_err().to_string();
    assert!(error.contains("8 images of 480x480"), "{error}");
}

#[test]
fn an_executor_refuses_optimisers_that_it_lacks() {
    for optimizer in Optimizer::ALL {
        let refused = check_optimizer(optimizer, ExecutorKind::Cuda).err().map(|error| error.to_string());
        let lacks = matches!(optimizer, Optimizer::Adam | Optimizer::NAdam | Optimizer::RmsProp);
        assert_eq!(refused.is_some(), lacks, "{optimizer}");
        assert!(refused.is_none_or(|text| text.contains(optimizer.name()) && text.contains("SGD or AdamW")));
        assert!(check_optimizer(optimizer, ExecutorKind::Cpu).is_ok());
        assert!(check_optimizer(optimizer, ExecutorKind::Candle).is_ok());
    }
}

#[test]
fn a_batch_that_fits_is_the_one_before_the_first_refusal() {
    let model = build(Scale::N, &["cell".to_owned()]).unwrap();
    let config = TrainConfig { batch: TrainConfig::FITTING_BATCH, nbs: 64, ..TrainConfig::default() };
    let images = [100, 20];
    let fitting = |context: &RunContext, images| fitting_batch(model.graph(), &config, context, images);
    let mut between = 0;
    for mib in (300..1500).step_by(400) {
        let context = context(mib << 20, 0.0);
        let fits = |batch| {
            let config = TrainConfig { batch, ..config.clone() };
            check_training(model.graph(), &config, &context, images).is_ok()
        };
        let Ok((batch, line)) = fitting(&context, images) else {
            assert!(!fits(1), "{mib} MiB");
            continue;
        };
        assert!(fits(batch) && (batch == 64 || !fits(batch + 1)), "{batch} in {mib} MiB");
        assert!(line.contains(&format!("{batch} images")) && line.contains(&format!("{mib} MiB")), "{line}");
        between += usize::from((2..64).contains(&batch));
    }
    assert!(between > 0, "no budget leaves a choice");

    let (batch, line) = fitting(&context(64 << 30, 0.0), images).unwrap();
    assert!(batch == 64 && line.contains("nbs"), "{line}");
    let (batch, line) = fitting(&context(64 << 30, 0.0), [7, 2]).unwrap();
    assert!(batch == 7 && line.contains("all training images"), "{line}");
    let error = fitting(&context(1 << 20, 0.0), images).unwrap_err().to_string();
    assert!(error.contains("1.0 MiB"), "{error}");
    let mut unknown = context(0, 0.0);
    unknown.executor.budget = None;
    assert!(fitting(&unknown, images).unwrap_err().to_string().contains("not known"));
    let mut gpu = context(64 << 30, 0.0);
    gpu.executor.device = Device::Cuda(0);
    assert!(fitting(&gpu, images).unwrap_err().to_string().contains("GPU"));
}
