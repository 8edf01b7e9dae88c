//! What keeps features from being compared.

use thiserror::Error;

/// What is wrong with features, matching or settings that were handed in.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum ImitationError {
    /// A setting outside of its range.
    #[error("the imitation's {field} is {got}, but must be from {least} to {most}")]
    Setting {
        /// Name of the field.
        field: &'static str,
        /// Its value.
        got: f32,
        /// Least value that it may have.
        least: f32,
        /// Largest value that it may have.
        most: f32,
    },
    /// A slice does not have the length that its shape says, or there is nothing in it.
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
        /// Values that are there.
        found: usize,
    },
    /// Student and teacher do not have the same places.
    #[error(
        "the student's features have {student} {what}, the teacher's {teacher}; give both the same images and \
         take a level of the same stride"
    )]
    Places {
        /// What there is another number of: `images`, `rows` or `columns`.
        what: &'static str,
        /// The student's number.
        student: usize,
        /// The teacher's number.
        teacher: usize,
    },
    /// The matching is not of this student.
    #[error("the matching names {found} teacher channels, but the student has {channels} channels")]
    Matching {
        /// Channels of the student.
        channels: usize,
        /// Length of the matching.
        found: usize,
    },
    /// The matching is not of this teacher.
    #[error(
        "student channel {channel} is matched with teacher channel {matched}, but the teacher has {channels} \
         channels (numbered from 0)"
    )]
    Channel {
        /// Channel of the student.
        channel: usize,
        /// What it is matched with.
        matched: usize,
        /// Channels of the teacher.
        channels: usize,
    },
}
