//! What keeps a teacher from teaching a student, and the comparison of their outputs.

use thiserror::Error;

use crate::head::HeadOutput;

/// What is wrong with settings, teacher or divisor of the distillation of logits.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum DistillError {
    /// A setting outside of its range.
    #[error("the distillation's {field} is {got}, but must be from {least} to {most}")]
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
    /// The divisor is not the sum of soft labels of a detection loss.
    #[error(
        "the sum of soft labels is {0}, but it is finite and at least 1; pass `score_sum` of the detection loss"
    )]
    ScoreSum(f64),
    /// Student and teacher differ as a whole.
    #[error("the student has {student} {what}, the teacher {teacher}; both must have the same")]
    Whole {
        /// What there is another number of: `images`, `classes`, `bins of a side` or `levels`.
        what: &'static str,
        /// The student's number.
        student: usize,
        /// The teacher's number.
        teacher: usize,
    },
    /// Student and teacher differ at a level.
    #[error(
        "level {level}: the student has {student} {what}, the teacher {teacher}; give both the same images and \
         take a teacher with the same strides"
    )]
    Level {
        /// Position of the level.
        level: usize,
        /// What there is another number of: `rows`, `columns` or `pixels per cell`.
        what: &'static str,
        /// The student's number.
        student: usize,
        /// The teacher's number.
        teacher: usize,
    },
}

/// Whether two heads describe the same anchors with the same numbers.
///
/// # Errors
/// [`DistillError`] names the level and both numbers.
pub(super) fn compare(student: &HeadOutput, teacher: &HeadOutput) -> Result<(), DistillError> {
    let whole = [
        ("images", student.batch(), teacher.batch()),
        ("classes", student.num_classes(), teacher.num_classes()),
        ("bins of a side", student.reg_max(), teacher.reg_max()),
        ("levels", student.levels().len(), teacher.levels().len()),
    ];
    for (what, student, teacher) in whole {
        if student != teacher {
            return Err(DistillError::Whole { what, student, teacher });
        }
    }
    for (level, (s, t)) in student.levels().iter().zip(teacher.levels()).enumerate() {
        let numbers = [("pixels per cell", s.stride, t.stride), ("rows", s.h, t.h), ("columns", s.w, t.w)];
        for (what, student, teacher) in numbers {
            if student != teacher {
                return Err(DistillError::Level { level, what, student, teacher });
            }
        }
    }
    Ok(())
}
