//! Example: a training that several ranks share: threads of this process, and with feature `mpi` the processes that `mpirun`
//! started, which are compared with them.
//!
//! `cargo run --release -p bonsai-train --example shared_training`
//!
//! `cargo build --release -p bonsai-train --features mpi --example shared_training`
//! `mpirun -n 2 target/release/examples/shared_training`

#![allow(clippy::print_stdout, reason = "printing is what an example is for")]

use std::error::Error;
use std::thread::scope;

use bonsai_boxes::Cxcywh;
use bonsai_checkpoint::{Array, Checkpoint};
use bonsai_collective::{Collective, Threads};
use bonsai_exec::{CpuExecutor, CpuOptions};
use bonsai_train::{
    Batch, BatchResult, BatchSource, Evaluation, NoObserver, Penalty, PenaltyPlan, Services, TrainConfig,
    TrainError, train,
};
use bonsai_yolov8::{Scale, Target, build, init};

/// Optimiser steps, one for each batch of the single epoch.
const STEPS: usize = 50;
/// Images per rank and batch, and their side in pixels.
const BATCH: usize = 2;
const SIDE: usize = 64;

/// This rank's part of every batch: noise with one object in each image.
struct Part {
    rank: usize,
    world: usize,
}

impl BatchSource for Part {
    fn batches(&self) -> usize {
        STEPS
    }

    fn epoch(&mut self, _: usize, first: usize) -> Box<dyn Iterator<Item = BatchResult> + '_> {
        Box::new((first..STEPS).map(|index| {
            let number = index * self.world + self.rank;
            // A linear congruential generator, for numbers that are the same everywhere.
            let mut state = number as u64;
            let pixels = std::iter::repeat_with(|| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 40) as f32 / (1 << 24) as f32
            });
            let images = Array::new(&[BATCH, 3, SIDE, SIDE], pixels.take(BATCH * 3 * SIDE * SIDE).collect());
            let bbox = Cxcywh { cx: 0.5, cy: 0.3 + 0.004 * number as f32, w: 0.4, h: 0.3 };
            let targets = (0..BATCH).map(|image| Target { image, class_id: number % 2, bbox }).collect();
            Ok(Batch { images, targets, names: Vec::new() })
        }))
    }
}

/// Trains `start` as one of the ranks; the weights are the same in all of them.
fn trained(start: &Checkpoint, ranks: &mut dyn Collective) -> Result<Checkpoint, TrainError> {
    let world = ranks.world();
    let mut part = Part { rank: ranks.rank(), world };
    let options = CpuOptions { threads: 1, ..CpuOptions::default() };
    let mut executor = CpuExecutor::new(start.model.graph(), &start.weights, options)
        .map_err(|source| TrainError::Exec { epoch: 0, batch: 0, source: Box::new(source) })?;
    let config = TrainConfig {
        epochs: 1,
        // Of all ranks together, as in Ultralytics.
        batch: BATCH * world,
        nbs: BATCH * world,
        warmup_epochs: 0.0,
        ..TrainConfig::default()
    };
    let services = Services {
        executor: &mut executor,
        batches: &mut part,
        evaluate: &mut |_| Ok(Evaluation::default()),
        penalty: PenaltyPlan::ByEpoch(&|_| Penalty::default()),
        distill: None,
        codes: None,
        ranks: Some(ranks),
        class_weights: None,
        observer: &mut NoObserver,
    };
    Ok(train(start, &config, services)?.last)
}

/// The same with a thread for each rank.
fn trained_by_threads(start: &Checkpoint, world: usize) -> Result<Checkpoint, TrainError> {
    scope(|scope| {
        let ranks = Threads::world(world).into_iter();
        let work: Vec<_> = ranks.map(|mut rank| scope.spawn(move || trained(start, &mut rank))).collect();
        let mut ends = work.into_iter().map(|rank| rank.join().expect("a rank returns its errors"));
        ends.next().expect("a world has a rank")
    })
}

fn main() -> Result<(), Box<dyn Error>> {
    let start = init(&build(Scale::N, &["a".to_owned(), "b".to_owned()])?, 0)?;
    #[cfg(feature = "mpi")]
    {
        let mut mpi = bonsai_collective::Mpi::join()?;
        let (rank, world) = (mpi.rank(), mpi.world());
        let shared = trained(&start, &mut mpi)?;
        if rank == 0 {
            let expected = trained_by_threads(&start, world)?;
            if shared.weights != expected.weights || shared.train != expected.train {
                return Err(
                    format!("{world} processes and {world} threads differ after {STEPS} steps").into()
                );
            }
            println!("{world} processes and {world} threads have the same weights after {STEPS} steps");
        }
        mpi.end(0);
    }
    #[cfg(not(feature = "mpi"))]
    {
        let shared = trained_by_threads(&start, 2)?;
        println!(
            "two threads trained {} parameters in {STEPS} steps",
            shared.weights.iter().map(|(_, w)| w.data().len()).sum::<usize>()
        );
    }
    Ok(())
}
