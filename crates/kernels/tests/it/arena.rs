//! [`Arena`]: the memory of kernel tests. All values outside the inputs are poison, views start and end
//! inside the rows of other views, and every program runs on all instruction sets with several teams, whose
//! results must agree.

use std::sync::OnceLock;

use bonsai_kernels::{AlignedBuffer, Isa, Program, SEGMENT, Team, View, padded};

/// A NaN with a bit pattern that no kernel produces.
const POISON: u32 = 0x7fc5_a5a5;

/// One buffer that grows while operands are placed.
pub(crate) struct Arena {
    values: Vec<f32>,
}

/// Layout of the rows of a view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rows {
    Dense,
    /// A segment of poison lies on either side of each row.
    Apart,
}

impl Arena {
    pub(crate) fn new() -> Self {
        Self { values: Vec::new() }
    }

    /// Places an output, filled with poison, with room for `channels` channels and their padding.
    pub(crate) fn output(&mut self, rows: Rows, pixels: usize, channels: usize) -> View {
        let start = self.values.len();
        let channels = padded(channels);
        let (offset, ld) = match rows {
            Rows::Dense => (start, channels),
            Rows::Apart => (start + SEGMENT, channels + 2 * SEGMENT),
        };
        let end = (offset + pixels * ld).next_multiple_of(SEGMENT) + SEGMENT;
        self.values.resize(end, f32::from_bits(POISON));
        View { buffer: 0, offset, pixels, channels, ld }
    }

    /// Places an operand with the given `values` and zeros in the padding channels.
    pub(crate) fn input(&mut self, rows: Rows, channels: usize, values: &[f32]) -> View {
        let view = self.output(rows, values.len() / channels, channels);
        for (pixel, values) in values.chunks_exact(channels).enumerate() {
            let row = &mut self.values[view.offset + pixel * view.ld..][..view.channels];
            row.fill(0.0);
            row[..channels].copy_from_slice(values);
        }
        view
    }

    /// Places a vector with one of the `values` per channel.
    pub(crate) fn vector(&mut self, values: &[f32]) -> View {
        self.input(Rows::Dense, values.len(), values)
    }

    /// Runs a program on every instruction set with 1, 2 and 3 threads.
    ///
    /// Checks that all teams give the same bits and that the kernels changed only values that they declared
    /// as written.
    pub(crate) fn run(&self, build: impl Fn(&mut Program)) -> Vec<Outcome> {
        Isa::available().into_iter().map(|isa| self.run_on(isa, &build)).collect()
    }

    fn run_on(&self, isa: Isa, build: impl Fn(&mut Program)) -> Outcome {
        let mut program = Program::new(isa);
        build(&mut program);
        let mut written = vec![false; self.values.len()];
        for operand in program.operands().flat_map(|(_, operands)| operands) {
            if operand.access.writes() {
                for pixel in 0..operand.view.pixels {
                    let start = operand.view.offset + pixel * operand.view.ld;
                    written[start..start + operand.view.channels].fill(true);
                }
            }
        }
        let outcomes = teams().each_ref().map(|team| {
            let mut buffer = AlignedBuffer::zeroed(self.values.len());
            buffer.as_mut_slice().copy_from_slice(&self.values);
            program.run(team, &mut [&mut buffer]).unwrap();
            buffer.as_slice().to_vec()
        });
        let [first, others @ ..] = outcomes;
        for (i, value) in first.iter().enumerate() {
            let bits = value.to_bits();
            assert!(written[i] || bits == self.values[i].to_bits(), "{isa}: [{i}] became {value}");
            assert!(
                others.iter().all(|other| other[i].to_bits() == bits),
                "{isa}: [{i}] depends on the threads"
            );
        }
        Outcome { isa, values: first }
    }
}

/// The memory after a program ran.
pub(crate) struct Outcome {
    pub(crate) isa: Isa,
    values: Vec<f32>,
}

impl Outcome {
    /// The first `channels` channels of a view. Checks that its padding is 0 and that it contains no poison.
    #[track_caller]
    pub(crate) fn values(&self, view: &View, channels: usize) -> Vec<f32> {
        let mut all = Vec::new();
        for pixel in 0..view.pixels {
            let row = &self.values[view.offset + pixel * view.ld..][..view.channels];
            assert!(row.iter().all(|v| v.to_bits() != POISON), "{}: row {pixel} was not written", self.isa);
            assert!(
                row[channels..].iter().all(|&v| v == 0.0),
                "{}: padding of row {pixel}: {row:?}",
                self.isa
            );
            all.extend_from_slice(&row[..channels]);
        }
        all
    }
}

fn teams() -> &'static [Team; 3] {
    static TEAMS: OnceLock<[Team; 3]> = OnceLock::new();
    TEAMS.get_or_init(|| [1, 2, 3].map(|threads| Team::new(threads).unwrap()))
}

/// A team for passes on the host.
pub(crate) fn team() -> &'static Team {
    &teams()[1]
}
