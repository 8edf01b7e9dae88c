//! [`Guard`]: checks the resource needs of a file before a runtime runs it.
//!
//! A file is checked twice: on its own when it is opened, and with the dimensions of the images before its
//! first run on such images (`bonsai_onnx::OnnxProgram`). A check takes a few thousand arithmetic steps, once
//! for each size. The need is compared with limits that no detector reaches, and with the available memory.

use std::collections::BTreeMap;

use bonsai_exec::{MemoryBudget, MemoryNeed};
use bonsai_onnx::{Footprint, FootprintLimits, OnnxProgram, OtherOperators};

use crate::{DetectorError, Runtime};

/// A program and the image dimensions that were checked for it.
pub(super) struct Guard {
    program: OnnxProgram,
    others: OtherOperators,
    budget: Option<MemoryBudget>,
    admitted: BTreeMap<[usize; 4], Footprint>,
}

impl Guard {
    /// Without a budget, only the general limits apply.
    pub(super) fn new(program: OnnxProgram, runtime: Runtime, budget: Option<MemoryBudget>) -> Self {
        let others = match runtime {
            Runtime::Rten => OtherOperators::Refused,
            // onnxruntime returns an error when it runs out of memory, and it supports operators of its own.
            Runtime::Onnxruntime => OtherOperators::Unchecked,
        };
        Self { program, others, budget, admitted: BTreeMap::new() }
    }

    /// Returns the need of a run on images of these dimensions, or an error if it is too large.
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

    /// Drops the weights after a runtime has copied them.
    pub(super) fn forget_weights(&mut self) {
        self.program.forget_weights();
    }
}
