//! Tests that the benchmarks run at the smallest size and that their results are consistent.

use std::path::PathBuf;

use bonsai_bench::{InferBench, InferPrecision, Narrow, Network, StepBench, infer, step};
use bonsai_exec::{ExecutorKind, ExecutorOptions};

fn network(narrow: Option<Narrow>) -> Network {
    Network { model: "yolov8n".to_owned(), weights: None, narrow }
}

fn step_bench(network: Network) -> StepBench {
    StepBench {
        network,
        imgsz: 64,
        batch: 2,
        steps: 2,
        dummy_loss: false,
        executor: ExecutorOptions { threads: 1, ..ExecutorOptions::default() },
        layers: false,
    }
}

#[test]
fn a_step_is_the_sum_of_its_phases_and_moves_the_weights() {
    let figures = step(&StepBench { steps: 1, ..step_bench(network(None)) }).unwrap();
    let sum: f64 = figures.phases.iter().map(|p| p.ms).sum();
    assert!((figures.step_ms_median - sum).abs() < 1e-9 && sum > 0.0, "{figures:?}");
    assert_eq!(figures.step_ms_min, figures.step_ms_median);
    assert!(figures.loss_ms_median > 0.0 && figures.loss_ms_median < sum);
    assert_eq!((figures.params, figures.executor.threads), (3_157_184, 1));
    assert!(figures.layers.is_empty());
    // The batch is always the same, so only other weights give another loss. The loss need not fall: better
    // boxes make the soft labels larger.
    let longer = step(&StepBench { steps: 4, ..step_bench(network(None)) }).unwrap();
    assert!(
        (longer.loss - figures.loss).abs() > 1e-3 * figures.loss,
        "{} after {}",
        longer.loss,
        figures.loss
    );
}

#[test]
fn without_optimiser_the_dummy_loss_stays() {
    let bench = StepBench { dummy_loss: true, ..step_bench(network(None)) };
    let losses = [1, 4].map(|steps| step(&StepBench { steps, ..bench.clone() }).unwrap().loss);
    assert!((losses[0] - losses[1]).abs() <= 1e-5 * losses[0].abs(), "{losses:?}");
}

#[test]
fn narrow_networks_are_smaller_and_rounding_gives_a_part_back() {
    let params = [None, Some(false), Some(true)].map(|rounded| {
        let narrow = rounded.map(|rounded| Narrow { seed: 1, rounded });
        step(&step_bench(network(narrow))).unwrap().params
    });
    let [full, narrow, rounded] = params;
    assert!(narrow < rounded && rounded < full, "{params:?}");
    assert!(narrow > full / 8 && narrow < full / 2, "about a quarter: {params:?}");
}

#[test]
fn layers_share_the_time_between_them() {
    for kind in [ExecutorKind::Cpu, ExecutorKind::Candle] {
        let executor = ExecutorOptions { kind: Some(kind), ..ExecutorOptions::default() };
        let bench = InferBench {
            network: network(None),
            imgsz: 64,
            batch: 2,
            runs: 2,
            executor,
            layers: true,
            precision: None,
        };
        let figures = infer(&bench).unwrap();
        assert_eq!((figures.executor.executor, figures.detections), (kind, 0));
        assert!((figures.layers.iter().map(|l| l.share).sum::<f64>() - 1.0).abs() < 1e-6);
        assert!(figures.layers.is_sorted_by(|a, b| a.ms >= b.ms));
        assert!(figures.layers.iter().any(|l| l.layer.starts_with("model.0.conv")), "{:?}", figures.layers);
    }
}

#[test]
fn a_network_is_timed_in_codes() {
    let int8 = InferPrecision::Int8;
    let bench = InferBench {
        network: network(None),
        imgsz: 64,
        batch: 1,
        runs: 2,
        executor: ExecutorOptions::default(),
        layers: true,
        precision: Some(int8),
    };
    let figures = infer(&bench).unwrap();
    assert_eq!(figures.precision, int8);
    assert!(figures.cpu_ms_median.is_none_or(|ms| ms > 0.0));
    assert!(figures.layers.iter().any(|layer| layer.layer == "model.0.conv"), "{:?}", figures.layers);
    let values = infer(&InferBench { precision: None, ..bench }).unwrap();
    assert_eq!((values.precision, values.params), (InferPrecision::F32, figures.params));
    assert!("int4".parse::<InferPrecision>().unwrap_err().to_string().contains("f32 or int8"));
}

#[test]
fn wrong_benchmarks_are_refused() {
    let text = |e: anyhow::Error| format!("{e:#}");
    let unknown = Network { model: "yolov9n".to_owned(), ..network(None) };
    let message = text(step(&step_bench(unknown)).unwrap_err());
    assert!(message.contains("\"yolov9n\"") && message.contains("yolov8x"), "{message}");
    let gone = Network { weights: Some(PathBuf::from("gone.safetensors")), ..network(None) };
    assert!(text(step(&step_bench(gone)).unwrap_err()).contains("gone.safetensors"));
    let message = text(step(&StepBench { steps: 0, ..step_bench(network(None)) }).unwrap_err());
    assert!(message.contains("steps 0"), "{message}");
    assert!(step(&StepBench { imgsz: 33, ..step_bench(network(None)) }).is_err());
}
