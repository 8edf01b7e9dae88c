//! [`Solo`]: a world of one rank.

use std::time::Duration;

use crate::{Collective, CollectiveError};

/// A world of one rank: every operation leaves its values as they are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Solo;

impl Collective for Solo {
    fn rank(&self) -> usize {
        0
    }

    fn world(&self) -> usize {
        1
    }

    fn set_patience(&mut self, _: Duration) {}

    fn sum(&mut self, _: &mut [f32]) -> Result<(), CollectiveError> {
        Ok(())
    }

    fn broadcast(&mut self, _: &mut [u8], root: usize) -> Result<(), CollectiveError> {
        if root == 0 { Ok(()) } else { Err(CollectiveError::Root { root, world: 1 }) }
    }
}
