//! [`Size`]: height and width of an image or of the input of a network.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Height and width in pixels; in files `[height, width]`.
///
/// The fields have names because libraries disagree on the order: images are often given as width and
/// height, tensors as height and width.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Size {
    /// Height in pixels.
    pub height: usize,
    /// Width in pixels.
    pub width: usize,
}

impl Size {
    /// A square with sides of this many pixels.
    pub const fn square(side: usize) -> Self {
        Self { height: side, width: side }
    }

    /// The shorter side in pixels.
    pub const fn shorter_side(self) -> usize {
        if self.height < self.width { self.height } else { self.width }
    }

    /// The longer side in pixels.
    pub const fn longer_side(self) -> usize {
        if self.height > self.width { self.height } else { self.width }
    }
}

/// Written as height, `x` and width, as in `480x640`.
impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.height, self.width)
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        [self.height, self.width].serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let [height, width] = Deserialize::deserialize(deserializer)?;
        Ok(Self { height, width })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_height_comes_first_in_text_and_files() {
        let size = Size { height: 480, width: 640 };
        assert_eq!(size.to_string(), "480x640");
        assert_eq!(serde_json::to_string(&size).unwrap(), "[480,640]");
        assert_eq!(serde_json::from_str::<Size>("[480,640]").unwrap(), size);
        assert!(serde_json::from_str::<Size>("[480]").is_err());
        assert_eq!((size.shorter_side(), size.longer_side()), (480, 640));
        let upright = Size { height: 640, width: 480 };
        assert_eq!((upright.shorter_side(), upright.longer_side()), (480, 640));
        assert_eq!(Size::square(32), Size { height: 32, width: 32 });
    }
}
