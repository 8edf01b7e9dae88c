//! [`class_colour`] and the other colours of all plots.
//!
//! Hues are those of Okabe and Ito, "Color Universal Design", which people with colour blindness can
//! distinguish. Quantities use one hue from white to dark, never a rainbow.

use image::Rgb;

/// A colour as red, green and blue, 0 to 255.
pub(crate) type Colour = Rgb<u8>;

pub(crate) const WHITE: Colour = Rgb([255, 255, 255]);
pub(crate) const BLACK: Colour = Rgb([0, 0, 0]);
/// Text and axes.
pub(crate) const INK: Colour = Rgb([33, 37, 41]);
/// Secondary text.
pub(crate) const MUTED: Colour = Rgb([92, 102, 112]);
/// Guide lines.
pub(crate) const RULE: Colour = Rgb([225, 229, 233]);
/// Measured values.
pub(crate) const RAW: Colour = Rgb([86, 180, 233]);
/// Derived values: the smoothed line and the mean.
pub(crate) const STRONG: Colour = Rgb([0, 90, 160]);
/// The one highlighted point.
pub(crate) const MARK: Colour = Rgb([213, 94, 0]);
/// The dark end of the shades.
const DEEP: Colour = Rgb([8, 48, 107]);

/// The colour of a class, the same in every picture.
pub fn class_colour(class_id: usize) -> Rgb<u8> {
    Rgb(bonsai_boxes::class_colour(class_id))
}

/// The shade for a fraction in `0..=1`: white for 0, dark blue for 1.
pub(crate) fn shade(share: f64) -> Colour {
    mix(WHITE, DEEP, share)
}

/// Mixes the fraction `share` of `to` with the rest of `from`.
pub(crate) fn mix(from: Colour, to: Colour, share: f64) -> Colour {
    let share = share.clamp(0.0, 1.0);
    let channel =
        |i: usize| (f64::from(from.0[i]) * (1.0 - share) + f64::from(to.0[i]) * share).round() as u8;
    Rgb([channel(0), channel(1), channel(2)])
}

/// The colour for text on a surface.
pub(crate) fn readable_on(colour: Colour) -> Colour {
    Rgb(bonsai_boxes::text_colour(colour.0))
}
