//! [`DistillError`]: invalid settings or outputs for distillation, and the comparison of two heads.

use thiserror::Error;

use crate::head::HeadOutput;

/// Invalid setting, teacher or divisor for the distillation of logits.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum DistillError {
    /// A setting is out of range.
    #[error("the distillation's {field} is {got}, but must be from {least} to {most}")]
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
    /// The divisor is not the sum of soft labels of a detection loss.
    #[error(
        "the sum of soft labels is {0}, but must be finite and at least 1; pass `score_sum` of the detection loss"
    )]
    ScoreSum(f64),
    /// Student and teacher differ in an overall size.
    #[error(
        "the student has {student} {what}, but the teacher has {teacher}; both must have the same number"
    )]
    Whole {
        /// The quantity that differs: `images`, `classes`, `bins of a side` or `levels`.
        what: &'static str,
        /// The student's number.
        student: usize,
        /// The teacher's number.
        teacher: usize,
    },
    /// Student and teacher differ at a level.
    #[error(
        "level {level}: the student has {student} {what}, but the teacher has {teacher}; give both the same images \
         and use a teacher with the same strides"
    )]
    Level {
        /// Index of the level.
        level: usize,
        /// The quantity that differs: `rows`, `columns` or `pixels per cell`.
        what: &'static str,
        /// The student's number.
        student: usize,
        /// The teacher's number.
        teacher: usize,
    },
}

/// Checks that two heads have the same anchors and sizes.
///
/// # Errors
/// [`DistillError`] with the level and both numbers.
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
