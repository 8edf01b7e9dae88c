//! [`Canvas`]: draws rectangles, lines, dots and text in pixels of the finished picture.
//!
//! Only this file uses the drawing library. Its wide lines are not anti-aliased, so charts are drawn at twice
//! the size and halved at the end; photographs are drawn at their own size.

use image::{Rgb, RgbImage};
use plotters::coord::Shift;
use plotters::prelude::{
    BitMapBackend, Circle, DrawingArea, DrawingAreaErrorKind, DrawingBackend, IntoDrawingArea, PathElement,
    RGBColor, Rectangle, ShapeStyle,
};

use crate::error::PlotError;
use crate::palette::{Colour, WHITE, mix};

/// A rectangle in pixels of the finished picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Area {
    pub(crate) left: f32,
    pub(crate) top: f32,
    pub(crate) width: f32,
    pub(crate) height: f32,
}

impl Area {
    pub(crate) fn right(self) -> f32 {
        self.left + self.width
    }

    pub(crate) fn bottom(self) -> f32 {
        self.top + self.height
    }

    pub(crate) fn overlaps(self, other: Self) -> bool {
        self.left < other.right()
            && other.left < self.right()
            && self.top < other.bottom()
            && other.top < self.bottom()
    }

    /// The area within these margins; at least one pixel.
    pub(crate) fn within(self, left: f32, top: f32, right: f32, bottom: f32) -> Self {
        Self {
            left: self.left + left,
            top: self.top + top,
            width: (self.width - left - right).max(1.0),
            height: (self.height - top - bottom).max(1.0),
        }
    }
}

/// The horizontal point of a text at the given position; vertically, it is always the middle of capital
/// letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Centre,
    Right,
}

/// Size, colour and direction of text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TextStyle {
    /// Size of the em in pixels.
    pub(crate) em: f32,
    pub(crate) colour: Colour,
    pub(crate) align: Align,
    /// Whether the text runs upwards.
    pub(crate) upwards: bool,
}

impl TextStyle {
    pub(crate) fn new(em: f32, colour: Colour, align: Align) -> Self {
        Self { em, colour, align, upwards: false }
    }

    pub(crate) fn upwards(self) -> Self {
        Self { upwards: true, ..self }
    }
}

/// The picture being drawn.
pub(crate) struct Canvas {
    image: RgbImage,
    /// Number of drawn pixels per pixel of the finished picture, along each axis.
    scale: u32,
}

impl Canvas {
    /// A white canvas for a chart.
    pub(crate) fn chart(width: u32, height: u32) -> Self {
        let scale = 2;
        Self { image: RgbImage::from_pixel(width * scale, height * scale, WHITE), scale }
    }

    /// A canvas with an existing picture.
    pub(crate) fn picture(image: RgbImage) -> Self {
        Self { image, scale: 1 }
    }

    /// The finished picture.
    pub(crate) fn finish(self) -> RgbImage {
        if self.scale == 1 {
            return self.image;
        }
        let width = self.image.width() / 2;
        let height = self.image.height() / 2;
        RgbImage::from_fn(width, height, |x, y| {
            let channel = |i: usize| {
                let at = |dx, dy| u16::from(self.image.get_pixel(2 * x + dx, 2 * y + dy).0[i]);
                ((at(0, 0) + at(1, 0) + at(0, 1) + at(1, 1) + 2) / 4) as u8
            };
            Rgb([channel(0), channel(1), channel(2)])
        })
    }

    /// Fills a rectangle; edges are rounded to the nearest pixel, and the rectangle is at least one drawn
    /// pixel.
    pub(crate) fn fill(&mut self, area: Area, colour: Colour) -> Result<(), PlotError> {
        let left = self.pixel(area.left);
        let top = self.pixel(area.top);
        let right = self.pixel(area.right()).max(left + 1);
        let bottom = self.pixel(area.bottom()).max(top + 1);
        let corners = [(left, top), (right, bottom)];
        self.draw(|sheet| sheet.draw(&Rectangle::new(corners, style(colour, 1).filled())))
    }

    /// Draws the inner edge of a rectangle, `line` pixels thick.
    pub(crate) fn frame(&mut self, area: Area, line: f32, colour: Colour) -> Result<(), PlotError> {
        let line = line.min(area.width / 2.0).min(area.height / 2.0);
        let across = Area { height: line, ..area };
        let down = Area { width: line, ..area };
        self.fill(across, colour)?;
        self.fill(Area { top: area.bottom() - line, ..across }, colour)?;
        self.fill(down, colour)?;
        self.fill(Area { left: area.right() - line, ..down }, colour)
    }

    /// Connects points by a line with round corners; a single point becomes a dot.
    pub(crate) fn line(
        &mut self,
        points: &[(f32, f32)],
        width: f32,
        colour: Colour,
    ) -> Result<(), PlotError> {
        let mut places: Vec<(i32, i32)> =
            points.iter().map(|&(x, y)| (self.pixel(x), self.pixel(y))).collect();
        places.dedup();
        let width = self.pixel(width).max(1) as u32;
        self.draw(|sheet| {
            for pair in places.windows(2) {
                sheet.draw(&PathElement::new(pair.to_vec(), style(colour, width)))?;
            }
            for &place in &places {
                sheet.draw(&Circle::new(place, (width / 2) as i32, style(colour, 1).filled()))?;
            }
            Ok(())
        })
    }

    /// Fills a circle.
    pub(crate) fn dot(&mut self, (x, y): (f32, f32), radius: f32, colour: Colour) -> Result<(), PlotError> {
        let place = (self.pixel(x), self.pixel(y));
        let radius = self.pixel(radius).max(1);
        self.draw(|sheet| sheet.draw(&Circle::new(place, radius, style(colour, 1).filled())))
    }

    /// Writes one line of text; pixels outside the canvas are skipped.
    pub(crate) fn text(&mut self, text: &str, (x, y): (f32, f32), style: TextStyle) {
        let em = style.em * self.scale as f32;
        let shift = match style.align {
            Align::Left => 0.0,
            Align::Centre => bonsai_text::width(text, em) / -2.0,
            Align::Right => -bonsai_text::width(text, em),
        };
        let x = self.pixel(x);
        let y = self.pixel(y);
        let shift = shift.round() as i32;
        bonsai_text::rasterise(text, em, |along, across, coverage| {
            let along = along + shift;
            let (x, y) = if style.upwards { (x + across, y - along) } else { (x + along, y + across) };
            let pixel = u32::try_from(x).ok().zip(u32::try_from(y).ok());
            if let Some(pixel) = pixel.and_then(|(x, y)| self.image.get_pixel_mut_checked(x, y)) {
                *pixel = mix(*pixel, style.colour, f64::from(coverage));
            }
        });
    }

    /// Copies a picture onto the canvas, with its top left corner at that of `area`.
    pub(crate) fn paste(&mut self, picture: &RgbImage, area: Area) {
        let left = self.pixel(area.left);
        let top = self.pixel(area.top);
        image::imageops::replace(&mut self.image, picture, i64::from(left), i64::from(top));
    }

    fn pixel(&self, place: f32) -> i32 {
        (place * self.scale as f32).round() as i32
    }

    fn draw(
        &mut self,
        what: impl FnOnce(&DrawingArea<BitMapBackend, Shift>) -> Result<(), SheetError>,
    ) -> Result<(), PlotError> {
        let size = self.image.dimensions();
        let sheet = BitMapBackend::with_buffer(&mut self.image, size).into_drawing_area();
        what(&sheet).map_err(|error| PlotError::Drawing(Box::new(error)))
    }
}

type SheetError = DrawingAreaErrorKind<<BitMapBackend<'static> as DrawingBackend>::ErrorType>;

fn style(Rgb([r, g, b]): Colour, stroke_width: u32) -> ShapeStyle {
    ShapeStyle { stroke_width, ..ShapeStyle::from(RGBColor(r, g, b)) }
}
