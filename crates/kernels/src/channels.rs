//! Slice and concat: strided copies of ranges of channels.
//!
//! Both are [`copy`] between two [`Span`]s. Backward, a slice writes its range into a gradient that is zero
//! elsewhere, and a concat hands each input its range of the gradient: copies again.

use crate::KernelError;
use crate::error::check_len;

/// A range of channels in a dense NHWC tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    channels: usize,
    start: usize,
    len: usize,
}

impl Span {
    /// Channels `start..start + len` of a tensor of `channels` channels.
    ///
    /// # Errors
    ///
    /// [`KernelError::ChannelRange`] if they do not all exist.
    pub fn new(channels: usize, start: usize, len: usize) -> Result<Self, KernelError> {
        match start.checked_add(len) {
            Some(end) if end <= channels => Ok(Self { channels, start, len }),
            _ => Err(KernelError::ChannelRange { start, len, channels }),
        }
    }

    /// All channels of a tensor.
    pub const fn whole(channels: usize) -> Self {
        Self { channels, start: 0, len: channels }
    }

    /// Number of channels in the range.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether the range is empty.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }
}

/// Copies the channels `from` of `src` over the channels `to` of `dst`; the others stay.
///
/// # Shapes
///
/// Both tensors have `pixels` pixels, and both spans the same length.
///
/// # Errors
///
/// [`KernelError::Length`].
pub fn copy(pixels: usize, from: Span, src: &[f32], to: Span, dst: &mut [f32]) -> Result<(), KernelError> {
    each_pixel("channels::copy", pixels, from, src, to, dst, |dst, src| dst.copy_from_slice(src))
}

/// Adds the channels `from` of `src` to the channels `to` of `dst`; the others stay.
///
/// # Errors
///
/// [`KernelError::Length`], as for [`copy`].
pub fn accumulate(
    pixels: usize,
    from: Span,
    src: &[f32],
    to: Span,
    dst: &mut [f32],
) -> Result<(), KernelError> {
    each_pixel("channels::accumulate", pixels, from, src, to, dst, |dst, src| {
        dst.iter_mut().zip(src).for_each(|(dst, &src)| *dst += src);
    })
}

/// Computes `y`, the channels `span` of `x`.
///
/// # Errors
///
/// [`KernelError::Length`].
pub fn slice(pixels: usize, span: Span, x: &[f32], y: &mut [f32]) -> Result<(), KernelError> {
    copy(pixels, span, x, Span::whole(span.len), y)
}

/// Computes the gradient `dx` of a sliced tensor: `dy` in the channels `span`, 0 elsewhere.
///
/// # Errors
///
/// [`KernelError::Length`].
pub fn slice_backward(pixels: usize, span: Span, dy: &[f32], dx: &mut [f32]) -> Result<(), KernelError> {
    check_len("channels::slice_backward", "dy", pixels.saturating_mul(span.len), dy.len())?;
    check_len("channels::slice_backward", "dx", pixels.saturating_mul(span.channels), dx.len())?;
    dx.fill(0.0);
    copy(pixels, Span::whole(span.len), dy, span, dx)
}

/// Computes `y`, the channels of all `parts` one after the other; each part comes with its number of
/// channels.
///
/// # Errors
///
/// [`KernelError::Length`].
pub fn concat(pixels: usize, parts: &[(usize, &[f32])], y: &mut [f32]) -> Result<(), KernelError> {
    let channels = parts.iter().map(|(channels, _)| channels).sum();
    check_len("channels::concat", "y", pixels.saturating_mul(channels), y.len())?;
    for &(part, x) in parts {
        check_len("channels::concat", "parts", pixels.saturating_mul(part), x.len())?;
    }
    let mut start = 0;
    for &(part, x) in parts {
        copy(pixels, Span::whole(part), x, Span::new(channels, start, part)?, y)?;
        start += part;
    }
    Ok(())
}

fn each_pixel(
    kernel: &'static str,
    pixels: usize,
    from: Span,
    src: &[f32],
    to: Span,
    dst: &mut [f32],
    write: impl Fn(&mut [f32], &[f32]),
) -> Result<(), KernelError> {
    check_len(kernel, "src", pixels.saturating_mul(from.channels), src.len())?;
    check_len(kernel, "dst", pixels.saturating_mul(to.channels), dst.len())?;
    check_len(kernel, "channels of dst", from.len, to.len)?;
    for pixel in 0..pixels {
        let src = &src[pixel * from.channels + from.start..][..from.len];
        write(&mut dst[pixel * to.channels + to.start..][..to.len], src);
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "nothing is rounded here")]
mod tests {
    use super::*;

    #[test]
    fn concat_then_slice_gives_the_parts_back() {
        let (a, b) = ([1.0, 2.0], [10.0, 11.0, 20.0, 21.0]);
        let mut y = [0.0; 6];
        concat(2, &[(1, &a), (2, &b)], &mut y).unwrap();
        assert_eq!(y, [1.0, 10.0, 11.0, 2.0, 20.0, 21.0]);
        let mut back = [0.0; 4];
        slice(2, Span::new(3, 1, 2).unwrap(), &y, &mut back).unwrap();
        assert_eq!(back, b);
        let mut dx = [7.0; 6];
        slice_backward(2, Span::new(3, 1, 2).unwrap(), &b, &mut dx).unwrap();
        assert_eq!(dx, [0.0, 10.0, 11.0, 0.0, 20.0, 21.0]);
        accumulate(2, Span::whole(1), &a, Span::new(3, 2, 1).unwrap(), &mut dx).unwrap();
        assert_eq!(dx, [0.0, 10.0, 12.0, 0.0, 20.0, 23.0]);
    }

    #[test]
    fn ranges_and_lengths_are_checked() {
        assert_eq!(Span::new(3, 2, 2), Err(KernelError::ChannelRange { start: 2, len: 2, channels: 3 }));
        assert!(Span::new(3, usize::MAX, 2).is_err());
        let mut y = [5.0; 6];
        assert!(concat(2, &[(1, &[0.0; 2]), (2, &[0.0; 3])], &mut y).is_err());
        assert_eq!(y, [5.0; 6], "nothing is written before everything is checked");
        assert!(copy(2, Span::whole(2), &[0.0; 4], Span::whole(3), &mut y).is_err());
    }
}
