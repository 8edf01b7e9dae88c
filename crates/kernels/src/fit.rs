//! Checks that the operands of a kernel fit together, and [`in_place`] for operands that may be the same
//! view.

use crate::view::Operand;
use crate::{KernelError, View, padded};

/// Checks that the size `got`, described by `what`, is `expected`.
pub(crate) fn equal(label: &str, what: &'static str, got: usize, expected: usize) -> Result<(), KernelError> {
    if got == expected {
        return Ok(());
    }
    Err(KernelError::Operand { label: label.to_owned(), what, got, expected })
}

/// Checks that `channels`, described by `what`, are whole segments.
pub(crate) fn segments(label: &str, what: &'static str, channels: usize) -> Result<(), KernelError> {
    equal(label, what, channels, padded(channels))
}

/// `fits!(label, "y", view, pixels, channels)` checks that the view called `y` has these pixels and channels.
macro_rules! fits {
    ($label:expr, $name:literal, $view:expr, $pixels:expr, $channels:expr) => {
        $crate::fit::equal($label, concat!("pixels of ", $name), $view.pixels, $pixels)
            .and($crate::fit::equal($label, concat!("channels of ", $name), $view.channels, $channels))
    };
}
pub(crate) use fits;

/// Operands of a kernel that computes every value of `written` from the value at the same place of `read`.
/// Both may be the same view; then the view becomes one operand with access `Update`.
pub(crate) fn in_place(read: &[View], written: Operand) -> Vec<Operand> {
    let mut operands: Vec<Operand> =
        read.iter().filter(|view| **view != written.view).map(|view| view.read()).collect();
    operands.push(if operands.len() == read.len() { written } else { written.view.update() });
    operands
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Access;

    #[test]
    fn the_message_has_both_numbers() {
        let view = View::dense(0, 0, 4, 16);
        let error = fits!("model.0", "dz", view, 4, 32).unwrap_err();
        assert_eq!(error.to_string(), "model.0: channels of dz: expected 32, got 16");
        assert!(fits!("model.0", "dz", view, 4, 16).is_ok());
        assert!(segments("model.0", "channels of y", 24).is_err());
    }

    #[test]
    fn what_is_read_and_written_in_one_place_is_one_operand() {
        let a = View::dense(0, 0, 4, 16);
        let b = View::dense(0, 64, 4, 16);
        assert_eq!(in_place(&[a, b], a.write()), [b.read(), a.update()]);
        assert_eq!(in_place(&[a], b.write())[1].access, Access::Write);
    }
}
