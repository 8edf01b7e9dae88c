//! [`Threads`]: sums, broadcasts, and ranks that are lost.

use std::thread::scope;
use std::time::{Duration, Instant};

use bonsai_collective::{Collective, CollectiveError, Solo, Threads};

/// Runs each rank of a world in a thread; the results in the order of the ranks.
fn each<T: Send>(ranks: Vec<Threads>, run: impl Fn(Threads) -> T + Sync) -> Vec<T> {
    let run = &run;
    scope(|scope| {
        let work: Vec<_> = ranks.into_iter().map(|rank| scope.spawn(move || run(rank))).collect();
        work.into_iter().map(|rank| rank.join().unwrap()).collect()
    })
}

#[test]
fn sums_are_added_in_the_order_of_the_ranks() {
    // In another order, or in f64, these sums are others.
    let values = [1e8f32, 1.0, -1e8, 1.0];
    let expected = ((values[0] + values[1]) + values[2]) + values[3];
    for _ in 0..50 {
        let sums = each(Threads::world(4), |mut rank| {
            let own = values[rank.rank()];
            let mut sum = [own, 2.0 * own];
            rank.sum(&mut sum).unwrap();
            sum
        });
        assert!(sums.iter().all(|sum| sum[0] == expected && sum[1] == 2.0 * expected), "{sums:?}");
    }
}

#[test]
fn many_rounds_do_not_mix() {
    let totals = each(Threads::world(3), |mut rank| {
        let mut total = 0.0;
        for round in 0..500 {
            let mut value = [(round * (rank.rank() + 1)) as f32];
            rank.sum(&mut value).unwrap();
            assert_eq!(value[0], (6 * round) as f32);
            let mut bytes = [rank.rank() as u8, round as u8];
            rank.broadcast(&mut bytes, round % 3).unwrap();
            assert_eq!(bytes, [(round % 3) as u8, round as u8]);
            total += value[0];
        }
        rank.barrier().unwrap();
        total
    });
    assert_eq!(totals, [748_500.0; 3]);
}

#[test]
fn flags_and_equal_values() {
    let found = each(Threads::world(3), |mut rank| {
        assert!(!rank.any(false).unwrap());
        assert!(rank.any(rank.rank() == 2).unwrap());
        rank.check_equal("the seed", 7).unwrap();
        rank.check_equal("the seed", 7 + u64::from(rank.rank() == 1)).unwrap_err()
    });
    let expected = CollectiveError::Drift { what: "the seed".to_owned(), ranks: vec![1] };
    assert!(found.iter().all(|error| *error == expected), "{found:?}");
}

#[test]
fn a_rank_that_ends_is_named() {
    let start = Instant::now();
    let ends = each(Threads::world(3), |mut rank| {
        if rank.rank() == 1 {
            return Ok(());
        }
        rank.barrier()
    });
    let expected = CollectiveError::Lost { rank: 1, world: 3, how: "ended".to_owned() };
    assert_eq!(ends, [Err(expected.clone()), Ok(()), Err(expected)]);
    assert!(start.elapsed() < Duration::from_secs(30), "no rank waits for ever");
}

#[test]
fn a_rank_that_ends_after_its_last_operation_is_missed_only_by_the_next() {
    let ends = each(Threads::world(2), |mut rank| {
        let mut value = [1.0];
        rank.sum(&mut value).unwrap();
        if rank.rank() == 0 {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(20));
        rank.sum(&mut value)
    });
    assert!(matches!(ends[1], Err(CollectiveError::Lost { rank: 0, .. })), "{ends:?}");
}

#[test]
fn a_rank_that_does_not_arrive_is_named() {
    let mut ranks = Threads::world_within(2, Duration::from_millis(50));
    let _asleep = ranks.remove(0);
    let error = ranks[0].barrier().unwrap_err();
    assert!(error.to_string().starts_with("rank 0 of 2 did not arrive within"), "{error}");
}

#[test]
fn other_lengths_and_roots_are_refused() {
    let ends = each(Threads::world(2), |mut rank| {
        let mut values = vec![0.0; 2 + rank.rank()];
        rank.sum(&mut values)
    });
    let expected = CollectiveError::Length { rank: 1, found: 3, expected: 2 };
    assert_eq!(ends, [Err(expected.clone()), Err(expected)]);
    let mut rank = Threads::world(1).remove(0);
    assert_eq!(rank.broadcast(&mut [], 1), Err(CollectiveError::Root { root: 1, world: 1 }));
    assert_eq!(Solo.broadcast(&mut [], 1), Err(CollectiveError::Root { root: 1, world: 1 }));
    let mut values = [2.5];
    Solo.sum(&mut values).unwrap();
    assert_eq!((values, Solo.rank(), Solo.world()), ([2.5], 0, 1));
}
