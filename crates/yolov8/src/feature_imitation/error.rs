//! [`ImitationError`]: why features cannot be compared.

use thiserror::Error;

/// Invalid features, matching or settings.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum ImitationError {
    /// A setting is out of range.
    #[error("the imitation's {field} is {got}, but must be from {least} to {most}")]
    Setting {
        /// Name of the field.
        field: &'static str,
        /// Its value.
        got: f32,
        /// Smallest valid value.
        least: f32,
        /// Largest valid value.
        most: f32,
    },
    /// A slice is empty or does not have the length of its shape.
    #[error(
        "the {whose} features have {found} values, but {shape:?} needs {expected}, and at least 1; \
         pass the whole NCHW output"
    )]
    Length {
        /// `student's` or `teacher's`.
        whose: &'static str,
        /// Images, channels, rows, columns.
        shape: [usize; 4],
        /// Values that the shape needs.
        expected: usize,
        /// Number of values found.
        found: usize,
    },
    /// Student and teacher have different images or cells.
    #[error(
        "the student's features have {student} {what}, but the teacher's have {teacher}; give both the same images \
         and use a level of the same stride"
    )]
    Places {
        /// The quantity that differs: `images`, `rows` or `columns`.
        what: &'static str,
        /// The student's number.
        student: usize,
        /// The teacher's number.
        teacher: usize,
    },
    /// The matching belongs to another student.
    #[error("the matching has {found} entries, but the student has {channels} channels")]
    Matching {
        /// Number of channels of the student.
        channels: usize,
        /// Length of the matching.
        found: usize,
    },
    /// The matching belongs to another teacher.
    #[error(
        "student channel {channel} is matched with teacher channel {matched}, but the teacher has {channels} \
         channels (numbered from 0)"
    )]
    Channel {
        /// Channel of the student.
        channel: usize,
        /// Teacher channel in the matching.
        matched: usize,
        /// Number of channels of the teacher.
        channels: usize,
    },
}
