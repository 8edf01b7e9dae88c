//! [`ImageSize`]: the value of the option `--imgsz`.

use std::fmt;
use std::str::FromStr;

use anyhow::Result;
use bonsai_graph::Size;

use crate::failure::ensure_usage;

/// Size of images, written as `HEIGHT,WIDTH`, or as one number for both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ImageSize(pub(crate) Size);

impl ImageSize {
    /// The side of a square; an error for a rectangle.
    pub(crate) fn side(self) -> Result<usize> {
        let Self(Size { height, width }) = self;
        ensure_usage!(
            height == width,
            "--imgsz is {height},{width}, but only `export` takes a rectangle: pass one number"
        );
        Ok(height)
    }
}

impl FromStr for ImageSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |part: &str| {
            let part = part.trim();
            part.parse()
                .map_err(|_| format!("unknown size \"{part}\"; expected pixels, such as 640 or 480,640"))
        };
        match text.split_once(',') {
            None => Ok(Self(Size::square(number(text)?))),
            Some((height, width)) => Ok(Self(Size { height: number(height)?, width: number(width)? })),
        }
    }
}

impl fmt::Display for ImageSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.height == self.0.width { write!(f, "{}", self.0.height) } else { write!(f, "{}", self.0) }
    }
}
