//! [`Tensors`]: tensors laid out as in an executor, namely at an offset, in wider rows, surrounded by poison.

use bonsai_kernels::{AlignedBuffer, Isa, KernelError, Nhwc, Program, Team, View};

/// A value that no kernel may read or overwrite.
const POISON: u32 = 0x7fc0_dead;

/// One buffer with several tensors.
pub(crate) struct Tensors {
    len: usize,
    filled: Vec<(View, Vec<f32>)>,
    views: Vec<View>,
    buffer: Option<AlignedBuffer>,
}

impl Tensors {
    pub(crate) fn new() -> Self {
        Self { len: 16, filled: Vec::new(), views: Vec::new(), buffer: None }
    }

    /// Places a tensor in rows that are `extra` values longer than its channels.
    pub(crate) fn room(&mut self, pixels: usize, channels: usize, extra: usize) -> View {
        let offset = self.len.next_multiple_of(16) + extra;
        let view = View { buffer: 0, offset, pixels, channels, ld: channels + extra };
        self.len = offset + pixels * view.ld + 32;
        self.views.push(view);
        view
    }

    /// Places a tensor with the given dense `values`.
    pub(crate) fn filled(&mut self, pixels: usize, channels: usize, extra: usize, values: &[f32]) -> View {
        let view = self.room(pixels, channels, extra);
        assert_eq!(values.len(), pixels * channels);
        self.filled.push((view, values.to_vec()));
        view
    }

    /// Places an image tensor with the given values.
    pub(crate) fn image(&mut self, shape: Nhwc, extra: usize, values: &[f32]) -> View {
        self.filled(shape.pixels(), shape.c, extra, values)
    }

    /// Fills all other values with poison and runs the kernels that `push` appends.
    pub(crate) fn run(
        &mut self,
        isa: Isa,
        threads: usize,
        push: impl FnOnce(&mut Program) -> Result<(), KernelError>,
    ) {
        let mut buffer = AlignedBuffer::zeroed(self.len);
        buffer.as_mut_slice().fill(f32::from_bits(POISON));
        for (view, values) in &self.filled {
            for (pixel, values) in values.chunks(view.channels).enumerate() {
                buffer.as_mut_slice()[view.offset + pixel * view.ld..][..view.channels]
                    .copy_from_slice(values);
            }
        }
        let mut program = Program::new(isa);
        push(&mut program).unwrap();
        program.run(&Team::new(threads).unwrap(), &mut [&mut buffer]).unwrap();
        let mut owned = vec![false; self.len];
        for view in &self.views {
            for pixel in 0..view.pixels {
                owned[view.offset + pixel * view.ld..][..view.channels].fill(true);
            }
        }
        for (i, (value, owned)) in buffer.as_slice().iter().zip(owned).enumerate() {
            assert!(owned || value.to_bits() == POISON, "value {i} outside of every tensor was written");
        }
        self.buffer = Some(buffer);
    }

    /// The dense values of a tensor after the run.
    pub(crate) fn read(&self, view: &View) -> Vec<f32> {
        let values = self.buffer.as_ref().unwrap().as_slice();
        (0..view.pixels).flat_map(|p| values[view.offset + p * view.ld..][..view.channels].to_vec()).collect()
    }
}

/// Bit patterns, for exact comparisons.
pub(crate) fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|v| v.to_bits()).collect()
}
