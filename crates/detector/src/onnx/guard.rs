//! Nothing reaches a runtime unless it is known what it will take.
//!
//! A file is checked twice: by itself when it is opened, and with the dimensions of the images before it first sees such
//! images (`bonsai_onnx::OnnxProgram`). That is a few thousand steps of arithmetic, done once for each size. What a file takes
//! is held against limits that no detector reaches, and against the memory that there is.

use std::collections::BTreeMap;

use bonsai_exec::{MemoryBudget, MemoryNeed};
use bonsai_onnx::{Footprint, FootprintLimits, OnnxProgram, OtherOperators};

use super::Runtime;
use crate::DetectorError;

/// A file, and the dimensions that it may be given.
pub(super) struct Guard {
    program: OnnxProgram,
    others: OtherOperators,
    budget: Option<MemoryBudget>,
    admitted: BTreeMap<[usize; 4], Footprint>,
}

impl Guard {
    /// Without a budget there is as much memory as the limits allow.
    pub(super) fn new(program: OnnxProgram, runtime: Runtime, budget: Option<MemoryBudget>) -> Self {
        let others = match runtime {
            Runtime::Rten => OtherOperators::Refused,
            // It answers with an error where it runs out of memory, and it knows operators of its own.
            Runtime::Onnxruntime => OtherOperators::Unchecked,
        };
        Self { program, others, budget, admitted: BTreeMap::new() }
    }

    /// Refuses images of these dimensions if a run of them would take too much; what it takes otherwise.
    pub(super) fn admit(&mut self, images: [usize; 4]) -> Result<Footprint, DetectorError> {
        if let Some(known) = self.admitted.get(&images) {
            return Ok(*known);
        }
        let footprint = self.program.footprint(&images, &FootprintLimits::default(), self.others)?;
        if let Some(budget) = &self.budget {
            let [n, _, h, w] = images;
            let what = format!("running the file on images of {h}x{w} pixels, {n} at a time,");
            budget.check(&what, MemoryNeed::all_touched(footprint.bytes))?;
        }
        self.admitted.insert(images, footprint);
        Ok(footprint)
    }

    pub(super) fn program(&self) -> &OnnxProgram {
        &self.program
    }

    /// Once a runtime has them.
    pub(super) fn forget_weights(&mut self) {
        self.program.forget_weights();
    }
}
