//! [`class_colour`]: the colour of a class in every picture, as red, green and blue.
//!
//! It is here because everything that draws boxes depends on this crate, and a class must have one colour in
//! all pictures.

/// Number of distinct class colours; further classes repeat them.
pub const CLASS_COLOURS: usize = 12;

/// Neighbours differ in hue and in brightness. The first seven are from Okabe and Ito, "Color Universal
/// Design", which people with colour blindness can distinguish; then follow darker and lighter colours.
const PALETTE: [[u8; 3]; CLASS_COLOURS] = [
    [230, 159, 0],
    [86, 180, 233],
    [0, 158, 115],
    [240, 228, 66],
    [0, 114, 178],
    [213, 94, 0],
    [204, 121, 167],
    [136, 34, 85],
    [180, 221, 30],
    [70, 60, 160],
    [255, 170, 187],
    [120, 94, 60],
];

/// The colour of a class; twelve colours are repeated.
pub const fn class_colour(class_id: usize) -> [u8; 3] {
    PALETTE[class_id % CLASS_COLOURS]
}

/// The colour for text on a surface: black on bright colours, white on dark ones. The brightness is that of
/// Rec. 601.
pub fn text_colour([r, g, b]: [u8; 3]) -> [u8; 3] {
    let brightness = 299 * u32::from(r) + 587 * u32::from(g) + 114 * u32::from(b);
    if brightness > 128_000 { [0; 3] } else { [255; 3] }
}
