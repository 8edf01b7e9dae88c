//! [`BoxPair`]: the box parts of one anchor, overlap with the teacher's box and divergence from its
//! distributions.
//!
//! Both heads are read as in the detection loss, in cells around the same centre. The buffers are reused for
//! the next anchor.

use crate::ciou::{Corners, ciou};
use crate::distribution::Distribution;

/// Weights for the gradient, and the temperature of LD.
#[derive(Debug, Clone, Copy)]
pub(super) struct BoxTerms {
    /// Weight of 1 - CIoU.
    pub(super) bbox: f64,
    /// Weight of the divergence; `None` skips the divergence.
    pub(super) dfl: Option<f64>,
    pub(super) temperature: f32,
}

/// The planes of one image at a level, `[4 * reg_max, cells]` each.
pub(super) struct BoxPlanes<'a> {
    pub(super) student: &'a [f32],
    pub(super) teacher: &'a [f32],
    pub(super) gradient: &'a mut [f32],
    pub(super) cells: usize,
}

/// Unweighted values of one anchor.
#[derive(Debug, Clone, Copy)]
pub(super) struct BoxValues {
    /// 1 - CIoU.
    pub(super) bbox: f64,
    /// T² times the mean divergence of the sides; 0 if it is skipped.
    pub(super) dfl: f64,
}

/// Reads the four sides of an anchor from both heads.
pub(super) struct BoxPair {
    terms: BoxTerms,
    student: Distribution,
    teacher: Distribution,
    soft_student: Distribution,
    soft_teacher: Distribution,
}

impl BoxPair {
    pub(super) fn new(reg_max: usize, terms: BoxTerms) -> Self {
        let new = || Distribution::new(reg_max);
        Self { terms, student: new(), teacher: new(), soft_student: new(), soft_teacher: new() }
    }

    /// Computes the values of a cell's anchor and writes their gradient, with the weights multiplied by `m`.
    pub(super) fn add(
        &mut self,
        planes: &mut BoxPlanes,
        cell: usize,
        centre: (f64, f64),
        m: f64,
    ) -> BoxValues {
        let &mut BoxPlanes { student, teacher, ref mut gradient, cells } = planes;
        let predicted = Corners::around(centre, self.student.read(student, cells, cell));
        let wanted = Corners::around(centre, self.teacher.read(teacher, cells, cell));
        let overlap = ciou(predicted, wanted);
        let by_distance = overlap.loss_by_distance().map(|slope| self.terms.bbox * m * slope);

        let Some(dfl) = self.terms.dfl else {
            self.student.write_gradient_with(by_distance, |_, _| 0.0, gradient, cells, cell);
            return BoxValues { bbox: 1.0 - overlap.value, dfl: 0.0 };
        };
        let temperature = self.terms.temperature;
        self.soft_student.temper(&self.student, temperature);
        self.soft_teacher.temper(&self.teacher, temperature);
        // T² KL has the derivative T (q_s - q_t).
        let pull = dfl * m * f64::from(temperature) / 4.0;
        let q_s = self.soft_student.probabilities();
        let q_t = self.soft_teacher.probabilities();
        let by_logit = |i: usize, _| pull * (f64::from(q_s[i]) - f64::from(q_t[i]));
        self.student.write_gradient_with(by_distance, by_logit, gradient, cells, cell);
        let divergence = self.soft_teacher.divergence(&self.soft_student);
        BoxValues { bbox: 1.0 - overlap.value, dfl: f64::from(temperature).powi(2) * divergence }
    }
}
