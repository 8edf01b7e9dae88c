//! Tests of misuse from safe code, including caught panics: it must give errors, and memory outside the
//! declared views must not change.
#![forbid(unsafe_code)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use bonsai_kernels::layout::{Segment, from_nchw, to_nchw};
use bonsai_kernels::{
    AlignedBuffer, BatchNorm, BiasSums, Conv, Copy, Epilogue, FoldBatchNorm, Isa, Kernel, KernelError,
    Moments, Nhwc, Program, Team, Upsample, View, Window, WinogradMode, Zero,
};

/// Appends a kernel, which must fail and leave the program unchanged.
#[track_caller]
fn refused<K: Kernel>(kernel: K) -> KernelError {
    let mut program = Program::new(Isa::PORTABLE);
    program.push("good", Zero { view: View::dense(0, 16, 2, 16) }).unwrap();
    let error = program.push("evil", kernel).unwrap_err();
    assert_eq!((program.len(), program.buffer_lens()), (1, [48].as_slice()), "{error}");
    error
}

/// Views whose ends overflow or that no memory can hold.
fn impossible() -> Vec<View> {
    let view = View::dense(0, 0, 2, 16);
    vec![
        View { offset: usize::MAX - 15 - (1 << 40), ld: (1 << 40) + 16, ..view },
        View { pixels: 3, ld: 1 << 63, ..view },
        View { pixels: 3, ld: (1 << 63) + 4096, ..view },
        View { offset: usize::MAX, pixels: 1, ..view },
        View { offset: usize::MAX - 15, pixels: 1, ..view },
        View { pixels: usize::MAX, ..view },
        View { pixels: usize::MAX, channels: 0, ld: 0, ..view },
        View { pixels: 1, ld: usize::MAX, ..view },
        View { offset: isize::MAX as usize, ..view },
        View { buffer: usize::MAX, ..view },
        View { buffer: 1 << 40, ..view },
        View::dense(0, 1 << 20, 1 << 20, 16).columns(usize::MAX - (1 << 20) + 1, 16),
    ]
}

#[test]
fn rectangles_that_no_memory_holds_are_refused_by_every_operand() {
    for view in impossible() {
        assert!(matches!(refused(Zero { view }), KernelError::Place { .. }), "{view:?}");
        let here = View { buffer: 1, offset: 0, ld: view.channels, ..view };
        for (from, to) in [(view, here), (here, view)] {
            for accumulate in [false, true] {
                refused(Copy { from, to, accumulate });
            }
        }
        refused(BiasSums { dy: view, partials: View::dense(1, 0, BiasSums::parts(view.pixels), 16) });
    }
    let narrow = View { ld: 8, ..View::dense(0, 0, 2, 16) };
    assert!(matches!(refused(Zero { view: narrow }), KernelError::View { .. }));
    assert!(matches!(refused(Zero { view: View { ld: 0, ..narrow } }), KernelError::View { .. }));
}

#[test]
fn a_program_with_a_refused_or_caught_push_still_knows_what_it_needs() {
    let team = Team::new(1).unwrap();
    let mut program = Program::new(Isa::PORTABLE);
    program.push("far", Zero { view: View::dense(0, 1 << 28, 4, 16) }).unwrap();
    let needed = (1 << 28) + 64;
    for view in impossible() {
        let push = || program.push("evil", Zero { view });
        assert!(catch_unwind(AssertUnwindSafe(push)).unwrap().is_err(), "expected an error, not a panic");
    }
    assert_eq!(program.buffer_lens(), [needed]);
    let error = program.run(&team, &mut [&mut AlignedBuffer::zeroed(16)]).unwrap_err();
    assert_eq!(error, KernelError::Buffer { index: 0, len: 16, needed });
}

#[test]
fn missing_buffers_are_missed_even_by_kernels_that_touch_no_value() {
    let nothing = View { buffer: 3, offset: 0, pixels: 1, channels: 0, ld: 0 };
    let mut program = Program::new(Isa::PORTABLE);
    program
        .push("copy", Copy { from: nothing, to: View { buffer: 2, ..nothing }, accumulate: true })
        .unwrap();
    program.push("zero", Zero { view: View { pixels: 1 << 40, ..nothing } }).unwrap();
    let team = Team::new(2).unwrap();
    for given in 0..4 {
        let mut buffers = vec![AlignedBuffer::zeroed(0); given];
        let mut buffers: Vec<&mut AlignedBuffer> = buffers.iter_mut().collect();
        assert_eq!(
            program.run(&team, &mut buffers).unwrap_err(),
            KernelError::Buffers { got: given, needed: 4 }
        );
    }
    let mut buffers = vec![AlignedBuffer::zeroed(0); 4];
    program.run(&team, &mut buffers.iter_mut().collect::<Vec<_>>()).unwrap();
}

#[test]
fn a_convolution_for_other_instructions_is_refused() {
    let isas = Isa::available();
    let x = View::dense(0, 0, 64, 16);
    let weights = View::vector(1, 0, 16 * 48);
    let packed = View::vector(2, 0, 16 * 48);
    let y = View::dense(3, 0, 64, 48);
    for (planned, run) in isas.iter().flat_map(|a| isas.iter().map(move |b| (*a, *b))) {
        let window = Window::square(1, 1, 0);
        let conv = Conv::new(planned, Nhwc::new(1, 8, 8, 16), 48, window, WinogradMode::Off).unwrap();
        let none = Epilogue::default();
        let mut p = Program::new(run);
        let p = &mut p;
        let pushed = [
            conv.push_pack(p, "l", weights, packed),
            conv.push_panels(p, "l", weights, packed),
            conv.push_pack_transposed(p, "l", weights, packed),
            conv.push_forward(p, "l", x, packed, y, none),
            conv.push_input_gradient(p, "l", y, packed, x, false),
            conv.push_weight_gradient(
                p,
                "l",
                x,
                y,
                View::vector(4, 0, conv.partials_len()),
                View { buffer: 5, ..weights },
            ),
        ];
        for outcome in pushed {
            let other = matches!(outcome, Err(KernelError::OtherIsa { .. }));
            assert!(if planned == run { outcome.is_ok() } else { other }, "{planned} {run} {outcome:?}");
        }
    }
}

#[test]
fn shapes_beyond_any_memory_are_refused() {
    const HUGE: [usize; 5] = [1 << 20, 1 << 32, 1 << 46, usize::MAX / 2 + 1, usize::MAX];
    let refused = |image: Nhwc, co: usize, window: Window| {
        Conv::new(Isa::PORTABLE, image, co, window, WinogradMode::Auto).is_err()
    };
    for huge in HUGE {
        let window = Window::square(3, 1, 1);
        assert!(refused(Nhwc::new(huge, huge, 1, 16), 16, window) || huge == 1 << 20);
        assert!(refused(Nhwc::new(0, huge, huge, 16), 16, window) || huge == 1 << 20);
        assert!(refused(Nhwc::new(1, 1, 1, huge), huge & !15, window) || huge == 1 << 20);
        assert!(refused(Nhwc::new(1, 9, 9, 16), 16, Window::square(huge, 1, huge / 2)));
        assert!(refused(Nhwc::new(1, 9, 9, 16), 16, Window::square(1, huge, 0)));
        assert!(Upsample::output(Nhwc::new(1, 1, 1, 0), huge).is_err() || huge == 1 << 20);
        assert!(Upsample::output(Nhwc::new(1, 0, 0, 16), huge).is_err() || huge == 1 << 20);
    }
    // The number of values of a strip of 2^36 values fits into a word, but its memory cannot be allocated.
    let image = Nhwc::new(1, 1, 1, 1 << 12);
    let conv = Conv::new(Isa::PORTABLE, image, 16, Window::square(1, 1, 1 << 14), WinogradMode::Off).unwrap();
    let output = conv.output();
    let x = View::dense(0, 0, 1, 1 << 12);
    let packed = View::vector(1, 0, conv.packed_len());
    let mut program = Program::new(Isa::PORTABLE);
    let y = View::dense(2, 0, output.pixels(), 16);
    conv.push_forward(&mut program, "l", x, packed, y, Epilogue::default()).unwrap();
    let mut buffers = [0, 1, 2].map(|_| AlignedBuffer::zeroed(1 << 16));
    let [a, b, c] = &mut buffers;
    assert!(program.run(&Team::new(2).unwrap(), &mut [a, b, c]).is_err());
}

#[test]
fn a_team_of_impossible_size_is_refused() {
    for threads in [4097, usize::MAX] {
        assert!(matches!(Team::new(threads), Err(KernelError::Threads { .. })));
    }
}

#[test]
fn statistics_and_folds_that_do_not_fit_are_refused() {
    let vector = |i: usize| View::vector(0, 1000 + 16 * i, 16);
    let norm = BatchNorm {
        counts: vec![usize::MAX, 3],
        partials: View::dense(0, 0, 4, 16),
        gamma: vector(0),
        beta: vector(1),
        running_mean: vector(2),
        running_var: vector(3),
        momentum: 0.1,
        eps: 1e-3,
        mean: vector(4),
        inv: vector(5),
        scale: vector(6),
        shift: vector(7),
    };
    // Sums of counts saturate; such a number of pixels is harmless.
    Program::new(Isa::PORTABLE).push("norm", norm).unwrap();

    // A vector of 16 channels for a convolution into 32 channels would be read past its end.
    let conv =
        Conv::new(Isa::PORTABLE, Nhwc::new(1, 4, 4, 16), 32, Window::square(1, 1, 0), WinogradMode::Off)
            .unwrap();
    let wide = |i: usize| View::vector(0, 2000 + 32 * i, 32);
    let fold = FoldBatchNorm {
        weights: View::vector(1, 0, conv.weights_len()),
        folded: View::vector(2, 0, conv.weights_len()),
        gamma: wide(0),
        beta: wide(1),
        mean: wide(2),
        var: wide(3),
        eps: 1e-3,
        bias: None,
        folded_bias: wide(4),
    };
    let mut program = Program::new(Isa::PORTABLE);
    conv.push_folded_panels(&mut program, "fold", &fold).unwrap();
    for evil in [
        FoldBatchNorm { gamma: vector(0), ..fold.clone() },
        FoldBatchNorm { folded_bias: vector(0), ..fold.clone() },
        FoldBatchNorm { bias: Some(vector(0)), ..fold.clone() },
        FoldBatchNorm { folded: View { offset: usize::MAX, ..fold.folded }, ..fold.clone() },
    ] {
        assert!(conv.push_folded_panels(&mut Program::new(Isa::PORTABLE), "fold", &evil).is_err());
    }
    let empty =
        Conv::new(Isa::PORTABLE, Nhwc::new(1, 4, 4, 16), 0, Window::square(1, 1, 0), WinogradMode::Off)
            .unwrap();
    let none = View::vector(0, 0, 0);
    let fold = FoldBatchNorm {
        weights: none,
        folded: none,
        gamma: none,
        beta: none,
        mean: none,
        var: none,
        folded_bias: none,
        ..fold
    };
    empty.push_folded_panels(&mut Program::new(Isa::PORTABLE), "fold", &fold).unwrap();
}

#[test]
fn the_gradient_of_no_images_is_nothing() {
    for window in [Window::square(1, 1, 0), Window::square(3, 1, 1)] {
        let conv = Conv::new(Isa::PORTABLE, Nhwc::new(0, 4, 4, 16), 16, window, WinogradMode::Auto).unwrap();
        let none = View::dense(0, 0, 0, 16);
        let partials = View::vector(1, 0, conv.partials_len());
        let dw = View::vector(2, 0, conv.weights_len());
        let mut program = Program::new(Isa::PORTABLE);
        program.push("images", Zero { view: none }).unwrap();
        program.push("partials", Zero { view: View { buffer: 1, ..none } }).unwrap();
        program.push("dw", Zero { view: View { buffer: 2, ..none } }).unwrap();
        conv.push_weight_gradient(&mut program, "l", none, none, partials, dw).unwrap();
        // The partial sums contain values of an earlier pass.
        let mut buffers = [0, partials.end(), dw.end()].map(AlignedBuffer::zeroed);
        buffers[1].as_mut_slice().fill(7.0);
        let [images, sums, dw] = &mut buffers;
        program.run(&Team::new(2).unwrap(), &mut [images, sums, dw]).unwrap();
        assert!(dw.as_slice().iter().all(|&v| v == 0.0));
    }
}

#[test]
fn programs_share_a_team_from_several_threads_and_from_within_it() {
    let team = Team::new(2).unwrap();
    let image = Nhwc::new(1, 8, 8, 16);
    let conv = Conv::new(Isa::detect(), image, 16, Window::square(3, 1, 1), WinogradMode::Off).unwrap();
    let x = View::dense(0, 0, 64, 16);
    let packed = View::vector(0, 1024, conv.packed_len());
    let y = View::dense(0, packed.end(), 64, 16);
    let mut program = Program::new(Isa::detect());
    conv.push_forward(&mut program, "l", x, packed, y, Epilogue::default()).unwrap();
    let run = || {
        let mut memory = AlignedBuffer::zeroed(y.end());
        memory.as_mut_slice()[..y.offset].fill(1.0);
        program.run(&team, &mut [&mut memory]).unwrap();
        assert_eq!((memory.as_slice()[y.offset], memory.as_slice()[y.offset + 16 * 9]), (64.0, 144.0));
    };
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| (0..50).for_each(|_| run()));
        }
        team.install(|| (0..20).for_each(|_| run()));
    });
    assert!(program.run(&team, &mut [&mut AlignedBuffer::zeroed(y.end() - 1)]).is_err());
}

#[test]
fn copies_to_the_host_are_refused_before_anything_is_made() {
    let team = Team::new(1).unwrap();
    let view = View { buffer: 0, offset: 0, pixels: 1, channels: usize::MAX, ld: usize::MAX };
    let all = [Segment { logical: 0, physical: 0, len: usize::MAX }];
    let shape = Nhwc::new(1, 1, 1, usize::MAX);
    assert!(to_nchw(&team, shape, &[0.0; 4], &view, &all, &mut [0.0; 4]).is_err());
    let one = [Segment { logical: 0, physical: 0, len: 4 }];
    let shape = Nhwc::new(1, 1, 1, 4);
    for view in [View { ld: 1 << 58, channels: 4, ..view }, View { channels: 4, ..view }] {
        let mut buffer = [0.0; 4];
        from_nchw(&team, shape, &[1.0, 2.0, 3.0, 4.0], &mut buffer, &view, &one).unwrap();
        assert_eq!(buffer, [1.0, 2.0, 3.0, 4.0]);
        assert!(from_nchw(&team, shape, &[0.0; 4], &mut [0.0; 3], &view, &one).is_err());
        let far = View { offset: usize::MAX, ..view };
        assert!(from_nchw(&team, shape, &[0.0; 4], &mut buffer, &far, &one).is_err());
    }
    assert_eq!(Moments::parts(0), 0);
}
