//! [`MemoryNeed`]: how much memory a pass needs, and whether a budget has it.

use bonsai_graph::{Graph, Shape, Size};

use crate::{ExecError, MemoryBudget, MemoryLimit, Mode};

/// Memory that an operation needs, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MemoryNeed {
    /// Memory that is written and therefore occupies the machine.
    pub touched: u64,
    /// Memory that is reserved; a part of it may never be written.
    pub reserved: u64,
}

impl MemoryNeed {
    /// A need of `bytes` bytes, all of them written.
    pub const fn all_touched(bytes: u64) -> Self {
        Self { touched: bytes, reserved: bytes }
    }

    /// The sum of both needs.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            touched: self.touched.saturating_add(other.touched),
            reserved: self.reserved.saturating_add(other.reserved),
        }
    }
}

impl MemoryBudget {
    /// Returns an error if `need` exceeds the budget; `what` describes the operation in the message.
    ///
    /// # Errors
    /// [`ExecError::Memory`] with both numbers.
    pub fn check(&self, what: &str, need: MemoryNeed) -> Result<(), ExecError> {
        let needed = match self.limit {
            MemoryLimit::AddressSpace => need.reserved,
            MemoryLimit::Machine | MemoryLimit::Cgroup => need.touched,
        };
        if needed <= self.bytes {
            return Ok(());
        }
        Err(ExecError::Memory { what: what.to_owned(), needed, budget: *self })
    }
}

/// Describes a pass over `[n, h, w]` in error messages.
pub(crate) fn pass_of(mode: Mode, [n, h, w]: [usize; 3]) -> String {
    let (of, s) = match mode {
        Mode::Train => ("training", if n == 1 { "" } else { "s" }),
        Mode::Eval => ("running the network", if n == 1 { "" } else { "s" }),
    };
    format!("{of} on {n} image{s} of {h}x{w} pixels at a time")
}

/// Bytes of the `f32` values of `n` images with that shape.
pub(crate) fn bytes_of(n: usize, shape: Shape) -> u64 {
    let values = [n, shape.channels, shape.h, shape.w].map(|size| size as u64);
    values.into_iter().fold(size_of::<f32>() as u64, u64::saturating_mul)
}

/// Lower bound for a pass: the largest wire. It needs no plan, and making a plan takes time and memory
/// itself.
pub(crate) fn least(graph: &Graph, [n, h, w]: [usize; 3]) -> Result<MemoryNeed, ExecError> {
    let shapes = graph.shapes(Size { height: h, width: w })?;
    let largest = shapes.iter().map(|shape| bytes_of(n, *shape)).max().unwrap_or(0);
    Ok(MemoryNeed::all_touched(largest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_only_reserved_counts_where_reserving_is_limited() {
        let need = MemoryNeed { touched: 10, reserved: 30 }.and(MemoryNeed::all_touched(5));
        let budget = |limit, bytes| MemoryBudget { bytes, limit };
        assert!(budget(MemoryLimit::Machine, 15).check("x", need).is_ok());
        let error = budget(MemoryLimit::AddressSpace, 34).check("running it", need).unwrap_err().to_string();
        assert!(error.contains("35 bytes") && error.contains("34 bytes"), "{error}");
        assert!(error.contains("running it") && error.contains("ulimit -v"), "{error}");
        assert_eq!(need.and(MemoryNeed::all_touched(u64::MAX)).touched, u64::MAX);
    }
}
