//! Example: how long one sum of all ranks takes, for threads of this process or, with feature `mpi`, for the processes that
//! `mpirun` started.
//!
//! `cargo run --release -p bonsai-collective --example time_of_a_sum -- 3012828`
//!
//! The argument is the number of values, such as the parameters of a network.

#![allow(clippy::print_stdout, reason = "printing is what an example is for")]

use std::error::Error;
use std::time::Instant;

#[cfg(not(feature = "mpi"))]
use bonsai_collective::Threads;
use bonsai_collective::{Collective, CollectiveError};

const SUMS: usize = 50;
/// Parameters of YOLOv8n with three classes.
const VALUES: usize = 3_012_828;

/// Milliseconds of each sum, sorted.
fn times(ranks: &mut dyn Collective, values: usize) -> Result<Vec<f64>, CollectiveError> {
    let mut array = vec![1.0; values];
    let mut times = Vec::new();
    for _ in 0..SUMS {
        ranks.barrier()?;
        let begin = Instant::now();
        ranks.sum(&mut array)?;
        times.push(begin.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    Ok(times)
}

fn print(what: &str, values: usize, times: &[f64]) {
    let (median, most) = (times[times.len() / 2], times[times.len() - 1]);
    println!(
        "{what}: a sum of {values} values takes {median:.2} ms (median of {SUMS}; at most {most:.2} ms)"
    );
}

fn main() -> Result<(), Box<dyn Error>> {
    let values = std::env::args().nth(1).map_or(Ok(VALUES), |text| text.parse())?;
    #[cfg(feature = "mpi")]
    {
        let mut mpi = bonsai_collective::Mpi::join()?;
        let times = times(&mut mpi, values)?;
        if mpi.rank() == 0 {
            print(&format!("{} processes", mpi.world()), values, &times);
        }
        mpi.end(0);
    }
    #[cfg(not(feature = "mpi"))]
    {
        let times = std::thread::scope(|scope| {
            let ranks = Threads::world(2).into_iter();
            let work: Vec<_> = ranks.map(|mut rank| scope.spawn(move || times(&mut rank, values))).collect();
            let mut ends = work.into_iter().map(|rank| rank.join().expect("a rank returns its errors"));
            ends.next().expect("there are two ranks")
        })?;
        print("two threads", values, &times);
    }
    Ok(())
}
