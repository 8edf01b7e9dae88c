//! Tests of the kernels on codes: every instruction set and thread count gives the bytes of plain loops.

mod conv;
mod elementwise;
mod refusals;

use bonsai_kernels::int8::{CODES, Int8Isa};
use bonsai_kernels::{AlignedBuffer, Isa, KernelError, Nhwc, Program, Team, View};

/// A byte that no kernel may overwrite outside its views.
const POISON: u8 = 0xa5;

/// A small generator of numbers, so that a failure can be repeated.
pub(crate) struct Numbers(u64);

impl Numbers {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 >> 11
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    pub(crate) fn codes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }

    pub(crate) fn unit(&mut self) -> f32 {
        self.below(1 << 20) as f32 / (1 << 20) as f32
    }
}

/// Tensors of codes in one buffer, surrounded by poison.
#[derive(Default)]
pub(crate) struct Codes {
    words: usize,
    filled: Vec<(View, Vec<u8>)>,
    views: Vec<View>,
}

impl Codes {
    /// Places a tensor of `words` words per pixel in rows that are `extra` words longer.
    pub(crate) fn room(&mut self, pixels: usize, words: usize, extra: usize) -> View {
        let offset = self.words + 16 + extra;
        let view = View { buffer: 0, offset, pixels, channels: words, ld: words + extra };
        self.words = (offset + pixels * view.ld + 16).next_multiple_of(16);
        self.views.push(view);
        view
    }

    /// Places a dense tensor of codes in longer rows.
    pub(crate) fn filled(&mut self, shape: Nhwc, extra: usize, codes: &[u8]) -> View {
        let view = self.room(shape.pixels(), shape.c / CODES, extra);
        self.filled.push((view, codes.to_vec()));
        view
    }

    /// Places bytes as a vector.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> View {
        let view = self.room(1, bytes.len() / CODES, 0);
        self.filled.push((view, bytes.to_vec()));
        view
    }

    /// Runs the kernels that `push` appends, and returns the bytes of `view`.
    pub(crate) fn run(
        &self,
        threads: usize,
        view: &View,
        push: impl FnOnce(&mut Program) -> Result<(), KernelError>,
    ) -> Vec<u8> {
        let mut buffer = AlignedBuffer::zeroed(self.words);
        buffer.as_bytes_mut().fill(POISON);
        let mut owned = vec![false; self.words * CODES];
        for view in &self.views {
            for pixel in 0..view.pixels {
                let start = (view.offset + pixel * view.ld) * CODES;
                owned[start..start + view.channels * CODES].fill(true);
            }
        }
        for (view, bytes) in &self.filled {
            for (pixel, bytes) in bytes.chunks(view.channels * CODES).enumerate() {
                let start = (view.offset + pixel * view.ld) * CODES;
                buffer.as_bytes_mut()[start..start + bytes.len()].copy_from_slice(bytes);
            }
        }
        let mut program = Program::new(Isa::PORTABLE);
        push(&mut program).unwrap();
        program.run(&Team::new(threads).unwrap(), &mut [&mut buffer]).unwrap();
        let bytes = buffer.as_bytes();
        for (i, (byte, owned)) in bytes.iter().zip(owned).enumerate() {
            assert!(owned || *byte == POISON, "byte {i} outside of every tensor was written");
        }
        let row = |pixel: usize| {
            let start = (view.offset + pixel * view.ld) * CODES;
            bytes[start..start + view.channels * CODES].to_vec()
        };
        (0..view.pixels).flat_map(row).collect()
    }
}

/// Instruction sets of this machine with 1 and 3 threads.
pub(crate) fn machines() -> impl Iterator<Item = (Int8Isa, usize)> {
    Int8Isa::available().into_iter().flat_map(|isa| [(isa, 1), (isa, 3)])
}

#[test]
fn an_older_instruction_set_for_values_gives_an_older_one_for_codes() {
    for isa in Int8Isa::available() {
        assert_eq!(isa.name().parse(), Ok(isa));
    }
    for isa in Isa::available() {
        let own = Int8Isa::within(isa);
        if isa == Isa::detect() {
            assert_eq!(own, Int8Isa::detect());
        } else {
            assert_eq!(own.name(), isa.name());
        }
    }
    let error = "sse9".parse::<Int8Isa>().unwrap_err().to_string();
    assert!(error.contains("sse9") && error.contains("portable"), "{error}");
}
