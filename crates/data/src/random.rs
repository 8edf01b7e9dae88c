//! [`stream`]: independent random generators, one for each purpose.
//!
//! The 256-bit `ChaCha` key is filled with the purpose of the stream, so no stream depends on how many
//! numbers another one drew, or on the thread that draws.

use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

/// What a stream of random numbers is used for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose {
    /// Order of the samples in an epoch.
    Shuffle,
    /// Changes to one sample in one epoch.
    Augment,
    /// One drawn image.
    Shapes,
    /// Size of one batch.
    Scale,
}

/// The generator for a purpose, a seed, a major number (epoch, split) and a minor one (sample index).
pub(crate) fn stream(purpose: Purpose, seed: u64, major: u64, minor: u64) -> ChaCha8Rng {
    let tag: u64 = match purpose {
        Purpose::Shuffle => 1,
        Purpose::Augment => 2,
        Purpose::Shapes => 3,
        Purpose::Scale => 4,
    };
    let mut key = [0; 32];
    for (part, word) in key.chunks_exact_mut(8).zip([tag, seed, major, minor]) {
        part.copy_from_slice(&word.to_le_bytes());
    }
    ChaCha8Rng::from_seed(key)
}
