//! [`Head`]: a detection head in the plan of an image size, with the launches that read it and write its gradient.

use bonsai_graph::DetectHead;
use bonsai_kernels::{View, Zero};
use candle_core::cuda_backend::cudarc::driver::CudaSlice;

use super::convert::{logical, physical};
use super::launcher::{Bases, Launcher, Loaded, Value, bytes};
use super::step::{CudaProgram, int, over};
use crate::plan::{HostWire, Key, Push as _, buffers};
use crate::{ExecError, HeadGradient};

/// Most partial sums of the softplus of a level.
const MOST_SUMS: usize = 64;

/// An output with its gradient, and the channels of both.
struct Wire {
    z: View,
    dz: View,
    channels: usize,
    /// Entries of the tables: the channels of `z`, of `dz`, and the inverse of the latter.
    physical: usize,
    physical_gradient: usize,
    logical_gradient: usize,
}

/// A level of the head.
struct Level {
    boxes: Wire,
    classes: Wire,
    /// Number of its first anchor, and of its cells.
    first: usize,
    cells: usize,
}

/// A head in a plan.
pub(super) struct Head {
    pub(super) detect: DetectHead,
    levels: Vec<Level>,
    tables: CudaSlice<i32>,
    /// Zeroes the gradients of all outputs but the classes.
    clear: Loaded,
    batch: usize,
    /// Number of anchors of an image.
    pub(super) anchors: usize,
}

impl Head {
    /// The head in a plan with these outputs and their gradients.
    ///
    /// # Errors
    /// [`ExecError::Head`] if an output of the head is missing or has another shape.
    pub(super) fn new(
        gpu: &Launcher,
        key: &Key,
        [outputs, upstream]: [&[HostWire]; 2],
        detect: &DetectHead,
    ) -> Result<Self, ExecError> {
        let mut tables = Vec::new();
        let mut table = |entries: Vec<i32>| {
            tables.extend(entries);
            tables.len()
        };
        let mut wire = |at: usize, expected: [usize; 4]| {
            let (Some(z), Some(dz)) = (outputs.get(at), upstream.get(at)) else {
                let found = format!("{} outputs", outputs.len());
                return Err(misfit("outputs of the network", found, format!("output {at} of the head")));
            };
            if z.shape != expected {
                let expected = format!("{expected:?}");
                return Err(misfit("an output of the head", format!("{:?}", z.shape), expected));
            }
            let (physical, physical_gradient, logical_gradient) = (physical(z)?, physical(dz)?, logical(dz)?);
            let starts = [physical, physical_gradient, logical_gradient].map(|entries| {
                let len = entries.len();
                table(entries) - len
            });
            Ok(Wire {
                z: z.view,
                dz: dz.view,
                channels: z.shape[1],
                physical: starts[0],
                physical_gradient: starts[1],
                logical_gradient: starts[2],
            })
        };
        let mut levels = Vec::new();
        let mut anchors = 0;
        let positions = detect.box_outputs.iter().zip(&detect.cls_outputs).zip(&detect.strides);
        for ((boxes, classes), &stride) in positions {
            let [h, w] = [key.h, key.w].map(|size| size.checked_div(stride).unwrap_or(0));
            levels.push(Level {
                boxes: wire(*boxes, [key.n, 4 * detect.reg_max, h, w])?,
                classes: wire(*classes, [key.n, detect.num_classes, h, w])?,
                first: anchors,
                cells: h * w,
            });
            anchors += h * w;
        }
        let mut clear = CudaProgram::default();
        for (at, wire) in upstream.iter().enumerate() {
            if !detect.cls_outputs.contains(&at) {
                clear.push("gradient", Zero { view: wire.view })?;
            }
        }
        let mut memory = gpu.reserve(tables.len())?;
        gpu.upload(&tables, &mut memory, 0)?;
        Ok(Self {
            detect: detect.clone(),
            levels,
            tables: memory,
            clear: gpu.load(clear)?,
            batch: key.n,
            anchors,
        })
    }

    /// Number of partial sums of the softplus.
    pub(super) fn sums(&self) -> usize {
        self.levels.iter().map(|level| self.blocks(level)).sum()
    }

    fn blocks(&self, level: &Level) -> usize {
        over(self.batch * level.cells * level.classes.channels)[0].min(MOST_SUMS)
    }

    /// Writes distances, partial sums and the columns of class logits, one after another.
    pub(super) fn summarise(
        &self,
        gpu: &Launcher,
        bases: &Bases,
        to: u64,
        columns: &CudaSlice<i32>,
        count: usize,
    ) -> Result<(), ExecError> {
        let mut sums = to + bytes::<f32>(self.batch * self.anchors * 4);
        let logits = sums + bytes::<f32>(self.sums());
        for level in &self.levels {
            let pixels = self.batch * level.cells;
            let place = [level.first, self.anchors];
            let mut args = self.read(gpu, bases, &level.boxes).to_vec();
            args.push(Value::Address(to));
            args.extend(ints([pixels, level.cells, self.detect.reg_max])?);
            args.extend(ints(place)?);
            gpu.launch(&gpu.kernel("bonsai_expected_bins")?, over(pixels * 4), &args)?;

            let mut args = self.read(gpu, bases, &level.classes).to_vec();
            args.extend(ints([pixels, level.classes.channels])?);
            args.push(Value::Address(sums));
            let blocks = self.blocks(level);
            gpu.launch(&gpu.kernel("bonsai_softplus_sums")?, [blocks, 1, 1], &args)?;
            sums += bytes::<f32>(blocks);

            if count > 0 {
                let mut args = self.read(gpu, bases, &level.classes).to_vec();
                args.extend([Value::Address(gpu.address(columns)), Value::Address(logits)]);
                args.extend(ints([count, level.cells])?);
                args.extend(ints(place)?);
                gpu.launch(&gpu.kernel("bonsai_class_columns")?, over(count * level.cells), &args)?;
            }
        }
        Ok(())
    }

    /// Pixel and row of every anchor, level by level, and the number of each level's.
    ///
    /// # Errors
    /// [`ExecError::Head`] if the batch has no such anchor.
    pub(super) fn rows(&self, anchors: &[[usize; 2]]) -> Result<(Vec<i32>, Vec<usize>), ExecError> {
        if let Some([image, anchor]) = anchors.iter().find(|a| a[0] >= self.batch || a[1] >= self.anchors) {
            let expected = format!("below {} and {}", self.batch, self.anchors);
            return Err(misfit("image and number of an anchor", format!("{image} and {anchor}"), expected));
        }
        let (mut rows, mut counts) = (Vec::with_capacity(2 * anchors.len()), Vec::new());
        for level in &self.levels {
            let before = rows.len();
            for (row, [image, anchor]) in anchors.iter().enumerate() {
                if let Some(cell) = anchor.checked_sub(level.first).filter(|cell| *cell < level.cells) {
                    rows.extend([int(image * level.cells + cell)?, int(row)?]);
                }
            }
            counts.push((rows.len() - before) / 2);
        }
        Ok((rows, counts))
    }

    /// Writes the box logits of these rows.
    pub(super) fn read_rows(
        &self,
        gpu: &Launcher,
        bases: &Bases,
        rows: &CudaSlice<i32>,
        counts: &[usize],
        to: u64,
    ) -> Result<(), ExecError> {
        let mut from = gpu.address(rows);
        for (level, &count) in self.levels.iter().zip(counts).filter(|(_, count)| **count > 0) {
            let channels = level.boxes.channels;
            let mut args = self.read(gpu, bases, &level.boxes).to_vec();
            args.extend([Value::Address(from), Value::Address(to)]);
            args.extend(ints([count, channels])?);
            gpu.launch(&gpu.kernel("bonsai_read_rows")?, over(count * channels), &args)?;
            from += bytes::<i32>(2 * count);
        }
        Ok(())
    }

    /// Writes the gradient of all outputs. `lists` has the rows and then the classes, `from` the box gradient and then the
    /// terms.
    pub(super) fn write_gradient(
        &self,
        gpu: &Launcher,
        bases: &Bases,
        lists: &CudaSlice<i32>,
        counts: &[usize],
        from: u64,
        gradient: &HeadGradient<'_>,
    ) -> Result<(), ExecError> {
        gpu.run(&self.clear, bases)?;
        let mut rows = gpu.address(lists);
        let classes = rows + bytes::<i32>(2 * gradient.anchors.len());
        let terms = from + bytes::<f32>(gradient.box_logits.len());
        for (level, &count) in self.levels.iter().zip(counts) {
            let Level { boxes, classes: wire, cells, .. } = level;
            let width = wire.dz.channels;
            let pixels = self.batch * cells;
            let mut args = self.read(gpu, bases, wire).to_vec();
            args.extend(at(bases, &wire.dz));
            args.push(self.table(gpu, wire.logical_gradient));
            args.extend(ints([pixels, width])?);
            args.push(Value::Float(gradient.class_scale));
            gpu.launch(&gpu.kernel("bonsai_class_gradient")?, over(pixels * width), &args)?;
            if count == 0 {
                continue;
            }
            let mut args = at(bases, &wire.dz).to_vec();
            args.push(self.table(gpu, wire.physical_gradient));
            args.extend([rows, classes, terms].map(Value::Address));
            args.extend(ints([count])?);
            gpu.launch(&gpu.kernel("bonsai_class_terms")?, over(count), &args)?;

            let mut args = at(bases, &boxes.dz).to_vec();
            args.push(self.table(gpu, boxes.physical_gradient));
            args.extend([rows, from].map(Value::Address));
            args.extend(ints([count, boxes.channels])?);
            gpu.launch(&gpu.kernel("bonsai_write_rows")?, over(count * boxes.channels), &args)?;
            rows += bytes::<i32>(2 * count);
        }
        Ok(())
    }

    /// The arguments of an output: address, row pitch, channels.
    fn read(&self, gpu: &Launcher, bases: &Bases, wire: &Wire) -> [Value; 3] {
        let [address, ld] = at(bases, &wire.z);
        [address, ld, self.table(gpu, wire.physical)]
    }

    fn table(&self, gpu: &Launcher, entry: usize) -> Value {
        Value::Address(gpu.address(&self.tables) + bytes::<i32>(entry))
    }
}

/// Address and row pitch of a view.
fn at(bases: &Bases, view: &View) -> [Value; 2] {
    debug_assert_ne!(view.buffer, buffers::HALVES, "outputs and their gradients are f32");
    // The plan checked that sizes fit.
    [Value::Address(bases[view.buffer] + bytes::<f32>(view.offset)), Value::Int(view.ld as i32)]
}

fn ints<const N: usize>(sizes: [usize; N]) -> Result<[Value; N], ExecError> {
    let mut values = [Value::Int(0); N];
    for (value, size) in values.iter_mut().zip(sizes) {
        *value = Value::Int(int(size)?);
    }
    Ok(values)
}

pub(super) fn misfit(what: &'static str, found: String, expected: String) -> ExecError {
    ExecError::Head { what, found, expected }
}
