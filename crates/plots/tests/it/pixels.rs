//! Finds the pixels of a colour in a picture.

use bonsai_plots::RgbImage;

/// Measured values.
pub(crate) const RAW: [u8; 3] = [86, 180, 233];
/// Smoothed lines and means.
pub(crate) const STRONG: [u8; 3] = [0, 90, 160];
/// The best point.
pub(crate) const MARK: [u8; 3] = [213, 94, 0];
/// The darkest shade.
pub(crate) const DEEP: [u8; 3] = [8, 48, 107];

/// A part of a picture: start and end of columns and of rows.
pub(crate) type Part = ((u32, u32), (u32, u32));

/// The pixels of exactly `colour` within `part`, row by row.
pub(crate) fn places(image: &RgbImage, part: Part, colour: [u8; 3]) -> Vec<(u32, u32)> {
    let ((left, right), (top, bottom)) = part;
    let rows = top..bottom.min(image.height());
    rows.flat_map(|y| (left..right.min(image.width())).map(move |x| (x, y)))
        .filter(|&(x, y)| image.get_pixel(x, y).0 == colour)
        .collect()
}

/// The mean of the positions; panics without positions.
pub(crate) fn centre(places: &[(u32, u32)]) -> (f64, f64) {
    assert!(!places.is_empty(), "no pixel has the colour");
    let mean = |of: fn(&(u32, u32)) -> u32| {
        places.iter().map(|place| f64::from(of(place))).sum::<f64>() / places.len() as f64
    };
    (mean(|p| p.0), mean(|p| p.1))
}

/// The number of rows from the first to the last position.
pub(crate) fn height(places: &[(u32, u32)]) -> u32 {
    let rows = || places.iter().map(|place| place.1);
    rows().max().unwrap() - rows().min().unwrap() + 1
}
