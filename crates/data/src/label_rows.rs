//! [`LabelRows`]: collects the labels and flaws of one image, from a file of any kind.
//!
//! Invariant: a bad row costs only itself, and every bad row is counted; the first ones are kept with their
//! places.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::label_row::Row;
use crate::{Flaws, Label, Warning, WarningKind};

/// Contents of a label file.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct LabelFile {
    /// The objects that can be used.
    pub(crate) labels: Vec<Label>,
    /// Rows that are not empty, usable or not.
    pub(crate) rows: usize,
    /// Everything that was left out or assumed.
    pub(crate) flaws: Flaws,
}

impl LabelFile {
    /// Adds the labels and flaws of another file about the same image. A label that both have is one object.
    pub(crate) fn join(mut self, other: Self) -> Self {
        for label in other.labels {
            if !self.labels.contains(&label) {
                self.labels.push(label);
            }
        }
        self.rows += other.rows;
        self.flaws.extend(other.flaws);
        self
    }
}

/// Collects the labels and flaws of the rows of one image.
#[derive(Default)]
pub(crate) struct LabelRows {
    file: LabelFile,
    /// The number of the first row with a class and box. The numbers of the box are keyed by their bits, which is
    /// safe because none of them is NaN or a negative zero.
    first: HashMap<(usize, [u32; 4]), usize>,
}

impl LabelRows {
    /// Adds a row; `number` identifies it in the flaw of a later repeat.
    pub(crate) fn add(
        &mut self,
        read: Result<Row, WarningKind>,
        number: usize,
        flaw: impl Fn(WarningKind) -> Warning,
    ) {
        let file = &mut self.file;
        file.rows += 1;
        let row = match read {
            Ok(row) => row,
            Err(kind) => return file.flaws.push(flaw(kind)),
        };
        row.notes.into_iter().for_each(|kind| file.flaws.push(flaw(kind)));
        let b = row.label.bbox;
        // Adding zero makes a negative zero positive.
        let bits = [b.cx, b.cy, b.w, b.h].map(|value| (value + 0.0).to_bits());
        match self.first.entry((row.label.class_id, bits)) {
            Entry::Vacant(place) => {
                place.insert(number);
                file.labels.push(row.label);
            }
            Entry::Occupied(first) => {
                file.flaws.push(flaw(WarningKind::Duplicate { first_line: *first.get() }));
            }
        }
    }

    /// Adds a flaw of the file as a whole.
    pub(crate) fn note(&mut self, flaw: Option<Warning>) {
        if let Some(flaw) = flaw {
            self.file.flaws.push(flaw);
        }
    }

    /// The labels and flaws.
    pub(crate) fn finish(self) -> LabelFile {
        self.file
    }
}
