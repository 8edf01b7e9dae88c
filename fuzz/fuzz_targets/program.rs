//! Programs of random kernels over valid and hostile views: an error, or a run within the named views.
//!
//! Results have the same bits for any number of threads and, within rounding, the same values on every
//! instruction set.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| programs::check(bytes));

/// The part of the target that needs no `unsafe`.
mod programs {
    #![forbid(unsafe_code)]

    use std::sync::OnceLock;

    use bonsai_kernels::{
        BatchNorm, BatchNormGradient, BiasGradient, BiasSums, AlignedBuffer, Conv, Copy, Epilogue, FoldBatchNorm,
        FrozenBatchNorm, Isa, KernelError, MaxPool, MaxPoolGradient, Moments, Nhwc, Pointwise,
        PointwiseGradient, PointwiseSums, PoolShape, Program, Team, Upsample, UpsampleGradient, View, Window,
        WinogradMode, Zero,
    };
    use libfuzzer_sys::arbitrary::Unstructured;

    /// Most values of a tensor and most multiply-accumulates of a convolution, so that an input takes
    /// milliseconds.
    const LARGEST: usize = 1 << 15;
    const WORK: usize = 1 << 21;

    /// Numbers that overflow some computation.
    const HOSTILE: [usize; 16] = [
        0,
        1,
        15,
        17,
        1 << 16,
        1 << 20,
        1 << 24,
        1 << 32,
        1 << 44,
        1 << 45,
        (1 << 45) + 1,
        1 << 62,
        1 << 63,
        usize::MAX - 15,
        usize::MAX - 1,
        usize::MAX,
    ];

    pub(crate) fn check(bytes: &[u8]) {
        static TEAMS: OnceLock<[Team; 2]> = OnceLock::new();
        let teams = TEAMS.get_or_init(|| [1, 3].map(|threads| Team::new(threads).expect("threads")));
        let mut first: Option<Ran> = None;
        for isa in Isa::available() {
            let [alone, together] = teams.each_ref().map(|team| run(isa, team, bytes));
            assert!(alone == together, "{isa}: the bits depend on the threads");
            let Some(ran) = alone else { continue };
            match &first {
                None => first = Some(ran),
                Some(portable) if portable.is_plain && ran.is_plain => portable.compare(&ran, isa),
                Some(_) => {}
            }
        }
    }

    /// Result of a program.
    #[derive(PartialEq)]
    struct Ran {
        /// Whether every kernel was appended, and every tensor lies where it was put. Otherwise a kernel may
        /// read values that another one packed for its instruction set.
        is_plain: bool,
        /// The bits of the results.
        results: Vec<Vec<u32>>,
    }

    impl Ran {
        fn compare(&self, other: &Self, isa: Isa) {
            for (index, (ours, theirs)) in self.results.iter().zip(&other.results).enumerate() {
                let values = |bits: &[u32]| bits.iter().copied().map(f32::from_bits).collect::<Vec<_>>();
                let ours = values(ours);
                let theirs = values(theirs);
                let largest = ours.iter().filter(|v| v.is_finite()).fold(1.0f32, |most, v| most.max(v.abs()));
                for (a, b) in ours.iter().zip(&theirs) {
                    let near = (a - b).abs() <= 1e-3 * largest || a.is_nan() && b.is_nan() || a == b;
                    // A value that one rounds to infinity may be finite in the other.
                    assert!(near || largest > 1e30, "result {index} is {a} on portable and {b} on {isa}");
                }
            }
        }
    }

    /// Builds and runs the program that the bytes describe.
    fn run(isa: Isa, team: &Team, bytes: &[u8]) -> Option<Ran> {
        let mut w = Writer {
            draw: Draw(Unstructured::new(bytes)),
            isa,
            program: Program::new(isa),
            ends: Vec::new(),
            views: Vec::new(),
            results: Vec::new(),
            is_plain: true,
        };
        for _ in 0..=w.draw.below(3) {
            // A layer that is refused does not end the program.
            let _ = match w.draw.below(6) {
                0..=2 => w.convolution(),
                3 => w.pooling(),
                4 => w.resizing(),
                _ => w.normalisation(),
            };
        }
        let short = if w.draw.below(8) == 0 { w.draw.below(20) } else { 0 };
        let Writer { program, ends, results, is_plain, .. } = w;
        let fill = |len: usize| {
            let mut buffer = AlignedBuffer::zeroed(len);
            for (i, value) in buffer.as_mut_slice().iter_mut().enumerate() {
                *value = (i.wrapping_mul(2_654_435_761) % 1000) as f32 / 500.0 - 1.0;
            }
            buffer
        };
        let mut buffers: Vec<AlignedBuffer> = ends.iter().map(|end| fill(end.saturating_sub(short))).collect();
        let before: Vec<AlignedBuffer> = buffers.clone();
        let fits = program.buffer_lens().iter().zip(&buffers).all(|(need, buffer)| *need <= buffer.len());
        let fits = fits && program.buffer_lens().len() <= buffers.len();
        // Padding can be large. A separate test covers the error for missing memory.
        if program.scratch_len() > WORK {
            return None;
        }
        let outcome = program.run(team, &mut buffers.iter_mut().collect::<Vec<_>>());
        match outcome {
            Ok(()) => assert!(fits, "a program ran without the memory it needs"),
            Err(KernelError::Memory { .. }) => return None,
            Err(_) => {
                assert!(!fits, "a program had the memory it needs and was refused");
                return None;
            }
        }
        let mut written: Vec<Vec<bool>> = buffers.iter().map(|buffer| vec![false; buffer.len()]).collect();
        for operand in program.operands().flat_map(|(_, operands)| operands).filter(|o| o.access.writes()) {
            for pixel in 0..if operand.view.channels == 0 { 0 } else { operand.view.pixels } {
                let start = operand.view.offset + pixel * operand.view.ld;
                written[operand.view.buffer][start..start + operand.view.channels].fill(true);
            }
        }
        for (index, written) in written.iter().enumerate() {
            let now = buffers[index].as_slice();
            let then = before[index].as_slice();
            let kept = |i: usize| written[i] || now[i].to_bits() == then[i].to_bits();
            assert!((0..now.len()).all(kept), "buffer {index}: a value changed that no kernel named");
        }
        let result = |view: &View| -> Vec<u32> {
            let values = buffers[view.buffer].as_slice();
            let row = |pixel: usize| values.get(view.offset + pixel * view.ld..).unwrap_or_default();
            let pixels = if view.channels == 0 { 0 } else { view.pixels };
            (0..pixels).flat_map(|p| row(p).iter().take(view.channels).map(|v| v.to_bits())).collect()
        };
        Some(Ran { is_plain, results: results.iter().map(result).collect() })
    }

    struct Draw<'a>(Unstructured<'a>);

    impl Draw<'_> {
        fn below(&mut self, limit: usize) -> usize {
            self.0.int_in_range(0..=limit.max(1) - 1).unwrap_or(0)
        }

        fn of(&mut self, choices: &[usize]) -> usize {
            choices[self.below(choices.len())]
        }

        fn flag(&mut self) -> bool {
            self.below(2) == 1
        }

        /// Rarely replaces the value by a hostile number.
        fn or_hostile(&mut self, value: usize) -> usize {
            if self.below(48) == 0 { self.of(&HOSTILE) } else { value }
        }

        fn image(&mut self) -> Nhwc {
            const SIDES: [usize; 10] = [0, 1, 2, 3, 4, 5, 7, 8, 13, 20];
            const CHANNELS: [usize; 9] = [0, 3, 8, 16, 16, 32, 48, 64, 80];
            let n = self.of(&[1, 1, 2, 3, 0]);
            let [h, w] = [self.of(&SIDES), self.of(&SIDES)];
            let [n, h, w] = [n, h, w].map(|size| self.or_hostile(size));
            let c = self.of(&CHANNELS);
            Nhwc::new(n, h, w, self.or_hostile(c))
        }

        fn window(&mut self, most: usize) -> Window {
            let mut pair = |least: usize, limit: usize| {
                let [a, b] = [least + self.below(limit), least + self.below(limit)];
                [self.or_hostile(a), self.or_hostile(b)]
            };
            Window { kernel: pair(0, most), stride: pair(0, 4), padding: pair(0, most) }
        }
    }

    struct Writer<'a> {
        draw: Draw<'a>,
        isa: Isa,
        program: Program,
        /// Values of each buffer.
        ends: Vec<usize>,
        views: Vec<View>,
        results: Vec<View>,
        is_plain: bool,
    }

    type Outcome = Result<(), KernelError>;

    impl Writer<'_> {
        /// A place for a tensor, or an invalid one.
        fn view(&mut self, pixels: usize, channels: usize) -> View {
            let apart = self.draw.of(&[0, 0, 16, 32]);
            let offset = self.draw.of(&[0, 0, 16, 3]);
            let buffer = self.ends.len();
            let put = View { buffer, offset, pixels, channels, ld: channels.saturating_add(apart) };
            let mut view = put;
            let end = view.end();
            self.ends.push(if end > 4 * LARGEST { 0 } else { end });
            match self.draw.below(64) {
                0 => view.offset = self.draw.of(&HOSTILE),
                1 => view.pixels = self.draw.of(&HOSTILE),
                2 => view.channels = self.draw.of(&HOSTILE),
                3 => view.ld = self.draw.of(&HOSTILE),
                4 => view.buffer = self.draw.of(&HOSTILE),
                5 => view = view.columns(self.draw.of(&HOSTILE), channels),
                // The place of another tensor.
                6 | 7 if !self.views.is_empty() => {
                    let other = self.views[self.draw.below(self.views.len())];
                    (view.buffer, view.offset) = (other.buffer, other.offset);
                }
                _ => {}
            }
            self.is_plain &= view == put;
            self.views.push(view);
            view
        }

        fn vector(&mut self, len: usize) -> View {
            self.view(1, len)
        }

        /// A tensor whose values are compared in the end, if it lies where it was put.
        fn result(&mut self, pixels: usize, channels: usize) -> View {
            let view = self.view(pixels, channels);
            let good =
                self.ends.len().checked_sub(1) == Some(view.buffer) && view.end() <= self.ends[view.buffer];
            if good && (view.pixels, view.channels) == (pixels, channels) {
                self.results.push(view);
            }
            view
        }

        fn push(&mut self, push: impl FnOnce(&mut Program) -> Outcome) {
            let len = self.program.len();
            let outcome = push(&mut self.program);
            // Some calls append two kernels, the first of which may have been valid.
            assert!(outcome.is_ok() || self.program.len() <= len + 1 || self.program.len() - len < 64);
            self.is_plain &= outcome.is_ok();
        }

        fn convolution(&mut self) -> Outcome {
            let image = self.draw.image();
            let co = self.draw.of(&[16, 16, 32, 48, 64, 80, 0, 8]);
            let co = self.draw.or_hostile(co);
            let window = if self.draw.flag() { Window::square(3, 1, 1) } else { self.draw.window(6) };
            let mode = if self.draw.flag() { WinogradMode::Auto } else { WinogradMode::Off };
            let mut conv = Conv::new(self.isa, image, co, window, mode)?;
            if self.draw.below(3) == 0 {
                let [i, o] = [image.c, co].map(|c| self.draw.below(c.min(1 << 16) + 1));
                conv = conv.with_live(&[0..i], &[0..o])?;
            }
            let i = conv.input();
            let o = conv.output();
            let small = i.len() <= LARGEST && o.len() <= LARGEST;
            if !small || conv.weights_len().saturating_mul(o.pixels()) > WORK {
                return self.too_large(&conv);
            }
            let x = self.view(i.pixels(), i.c);
            let weights = self.vector(conv.weights_len());
            let packed = self.vector(conv.packed_len());
            let y = self.result(o.pixels(), o.c);
            self.push(|p| conv.push_pack(p, "pack", weights, packed));
            let bias = self.draw.flag().then(|| self.vector(o.c));
            let residual = (self.draw.below(3) == 0).then(|| self.view(o.pixels(), o.c));
            let rows = 2 * conv.moment_counts().len();
            let moments = (self.draw.below(3) == 0).then(|| self.view(rows, o.c));
            let epilogue = Epilogue { bias, silu: self.draw.flag(), residual, moments };
            self.push(|p| conv.push_forward(p, "y", x, packed, y, epilogue));
            let transposed = self.vector(conv.packed_transposed_len());
            self.push(|p| conv.push_pack_transposed(p, "turn", weights, transposed));
            let dx = self.result(i.pixels(), i.c);
            let accumulate = self.draw.flag();
            self.push(|p| conv.push_input_gradient(p, "dx", y, transposed, dx, accumulate));
            let partials = self.vector(conv.partials_len());
            let dw = self.result(1, conv.weights_len());
            self.push(|p| conv.push_weight_gradient(p, "dw", x, y, partials, dw));
            if self.draw.flag() {
                let panels = self.vector(conv.weights_len());
                let again = self.vector(conv.packed_len());
                self.push(|p| conv.push_panels(p, "panels", weights, panels));
                self.push(|p| conv.push_pack_panels(p, "pack panels", panels, again));
            }
            if self.draw.flag() {
                let [gamma, beta, mean, var] = [0; 4].map(|_| self.vector(o.c));
                let bias = self.draw.flag().then(|| self.vector(o.c));
                let folded = self.vector(conv.weights_len());
                let folded_bias = self.result(1, o.c);
                let eps = 1e-3;
                let fold = FoldBatchNorm { weights, folded, gamma, beta, mean, var, eps, bias, folded_bias };
                self.push(|p| conv.push_folded_panels(p, "fold", &fold));
            }
            Ok(())
        }

        /// A convolution that is too large to run can be refused or appended; in the latter case there is no
        /// memory for it.
        fn too_large(&mut self, conv: &Conv) -> Outcome {
            let i = conv.input();
            let o = conv.output();
            let x = self.view(i.pixels(), i.c);
            let y = self.view(o.pixels(), o.c);
            let packed = self.vector(conv.packed_len());
            self.push(|p| conv.push_forward(p, "y", x, packed, y, Epilogue::default()));
            let transposed = self.vector(conv.packed_transposed_len());
            self.push(|p| conv.push_input_gradient(p, "dx", y, transposed, x, true));
            let partials = self.vector(conv.partials_len());
            let dw = self.vector(conv.weights_len());
            self.push(|p| conv.push_weight_gradient(p, "dw", x, y, partials, dw));
            Ok(())
        }

        fn pooling(&mut self) -> Outcome {
            let image = self.draw.image();
            let window = self.draw.window(9);
            let shape = PoolShape::new(image, window)?;
            let i = shape.input();
            let o = shape.output();
            let x = self.view(i.pixels(), i.c);
            let y = self.result(o.pixels(), o.c);
            let maxima = self.vector(MaxPool::argmax_len(&shape));
            let argmax = self.draw.flag().then_some(maxima);
            self.push(|p| p.push("pool", MaxPool { shape, x, y, argmax }));
            let dx = self.result(i.pixels(), i.c);
            let accumulate = self.draw.flag();
            self.push(|p| p.push("unpool", MaxPoolGradient { shape, dy: y, argmax: maxima, dx, accumulate }));
            Ok(())
        }

        fn resizing(&mut self) -> Outcome {
            let input = self.draw.image();
            let factor = self.draw.of(&[1, 2, 3, 7, 0]);
            let factor = self.draw.or_hostile(factor);
            let o = Upsample::output(input, factor)?;
            let x = self.view(input.pixels(), input.c);
            let y = self.result(o.pixels(), o.c);
            self.push(|p| p.push("up", Upsample { input, factor, x, y }));
            let dx = self.result(input.pixels(), input.c);
            let accumulate = self.draw.flag();
            self.push(|p| p.push("down", UpsampleGradient { input, factor, dy: y, dx, accumulate }));
            let to = self.result(input.pixels(), input.c);
            let accumulate = self.draw.flag();
            self.push(|p| p.push("copy", Copy { from: x, to, accumulate }));
            self.push(|p| p.push("zero", Zero { view: x }));
            Ok(())
        }

        fn normalisation(&mut self) -> Outcome {
            let image = self.draw.image();
            let pixels = image.pixels();
            let c = image.c;
            if image.len() > LARGEST || pixels > LARGEST {
                let view = self.view(pixels, c);
                self.push(|p| p.push("zero", Zero { view }));
                return Ok(());
            }
            let y = self.view(pixels, c);
            let parts = Moments::parts(pixels);
            let moments = self.view(2 * parts, c);
            self.push(|p| p.push("moments", Moments { y, partials: moments }));
            let [gamma, beta, running_mean, running_var, mean, inv] = [0; 6].map(|_| self.vector(c));
            let [scale, shift, dgamma, dbeta, k1, k0] = [0; 6].map(|_| self.vector(c));
            let mut counts = Moments::counts(pixels);
            if let (Some(count), 0) = (counts.first_mut(), self.draw.below(32)) {
                *count = self.draw.of(&HOSTILE);
            }
            let momentum = 0.1;
            let eps = 1e-3;
            let norm = BatchNorm {
                counts,
                partials: moments,
                gamma,
                beta,
                running_mean,
                running_var,
                momentum,
                eps,
                mean,
                inv,
                scale,
                shift,
            };
            if self.draw.below(4) == 0 {
                let frozen = FrozenBatchNorm { gamma, beta, mean, var: inv, eps, scale, shift };
                self.push(|p| p.push("frozen", frozen));
            } else {
                self.push(|p| p.push("norm", norm));
            }
            let z = if self.draw.below(3) == 0 { y } else { self.result(pixels, c) };
            let residual = self.draw.flag().then(|| self.view(pixels, c));
            let normed = self.draw.flag();
            let silu = self.draw.flag();
            let forward = Pointwise { y, z, norm: normed.then_some((scale, shift)), silu, residual };
            self.push(|p| p.push("forward", forward));
            let dz = self.view(pixels, c);
            let partials = self.view(2 * PointwiseSums::parts(pixels), c);
            let residual = self.draw.flag().then(|| (self.result(pixels, c), self.draw.flag()));
            let sums = PointwiseSums { y, dz, scale, shift, mean, inv, silu, partials, residual };
            self.push(|p| p.push("sums", sums));
            let gradient = BatchNormGradient { pixels, partials, scale, mean, inv, dgamma, dbeta, k1, k0 };
            self.push(|p| p.push("gradient", gradient));
            let dy = if self.draw.flag() { dz } else { self.result(pixels, c) };
            let norm = normed.then_some([scale, shift, k1, k0]);
            let accumulate = self.draw.flag();
            self.push(|p| p.push("dy", PointwiseGradient { y, dz, dy, norm, silu, accumulate }));
            let partials = self.view(BiasSums::parts(pixels), c);
            let db = self.result(1, c);
            self.push(|p| p.push("bias sums", BiasSums { dy, partials }));
            self.push(|p| p.push("bias", BiasGradient { partials, db }));
            Ok(())
        }
    }
}
