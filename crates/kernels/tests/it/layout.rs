//! Tests of the host passes between NCHW and the layouts of the kernels.

use bonsai_kernels::layout::{Segment, from_nchw, images_to_nhwc, to_nchw};
use bonsai_kernels::{KernelError, Nhwc, Team, View};

use crate::arena::team;
use crate::numbers::numbers;

/// Position of a value of an NCHW tensor in a dense NHWC tensor.
fn nhwc_index(shape: Nhwc, i: usize) -> usize {
    let plane = shape.h * shape.w;
    let pixel = i % plane;
    let c = i / plane % shape.c;
    let image = i / plane / shape.c;
    (image * plane + pixel) * shape.c + c
}

#[test]
fn images_of_any_depth_and_size() {
    for shape in [
        Nhwc::new(2, 5, 7, 3),
        Nhwc::new(1, 1, 1, 3),
        Nhwc::new(3, 13, 11, 1),
        Nhwc::new(2, 9, 9, 5),
        Nhwc::new(2, 130, 127, 3),
        Nhwc::new(1, 129, 128, 4),
        Nhwc::new(0, 4, 4, 3),
    ] {
        let nchw = numbers(1, shape.len());
        for threads in [1, 2, 3] {
            let mut nhwc = vec![f32::NAN; nchw.len()];
            images_to_nhwc(&Team::new(threads).unwrap(), shape, &nchw, &mut nhwc).unwrap();
            for (i, value) in nchw.iter().enumerate() {
                assert_eq!(nhwc[nhwc_index(shape, i)], *value, "{shape:?} {i}");
            }
        }
    }
}

/// 13 + 20 + 5 channels in three padded segments, one of them out of order.
const SEGMENTS: [Segment; 3] = [
    Segment { logical: 0, physical: 0, len: 13 },
    Segment { logical: 13, physical: 32, len: 20 },
    Segment { logical: 33, physical: 16, len: 5 },
];

#[test]
fn segments_go_there_and_back() {
    for (n, h, w) in [(2, 5, 7), (1, 1, 1), (3, 10, 13), (2, 16, 16)] {
        let shape = Nhwc::new(n, h, w, 38);
        let view = View { buffer: 0, offset: 32, pixels: n * h * w, channels: 64, ld: 96 };
        let nchw = numbers(1, shape.len());
        let poison = f32::from_bits(0x7fc5_a5a5);
        let mut buffer = vec![poison; view.end() + 5];
        from_nchw(team(), shape, &nchw, &mut buffer, &view, &SEGMENTS).unwrap();
        let mut expected = vec![poison; buffer.len()];
        for pixel in 0..view.pixels {
            expected[view.offset + pixel * view.ld..][..64].fill(0.0);
            for segment in SEGMENTS {
                for i in 0..segment.len {
                    let image = pixel / (h * w);
                    let at = pixel % (h * w);
                    expected[view.offset + pixel * view.ld + segment.physical + i] =
                        nchw[(image * 38 + segment.logical + i) * h * w + at];
                }
            }
        }
        let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&buffer), bits(&expected));
        let mut back = vec![f32::NAN; nchw.len()];
        to_nchw(team(), shape, &buffer, &view, &SEGMENTS, &mut back).unwrap();
        assert_eq!(back, nchw);
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let shape = Nhwc::new(1, 2, 2, 38);
    let view = View { buffer: 0, offset: 0, pixels: 4, channels: 64, ld: 64 };
    let mut nchw = vec![0.0; shape.len()];
    let buffer = vec![0.0; 256];
    assert!(to_nchw(team(), shape, &buffer, &view, &SEGMENTS, &mut nchw).is_ok());
    assert!(to_nchw(team(), shape, &buffer[1..], &view, &SEGMENTS, &mut nchw).is_err());
    assert!(to_nchw(team(), shape, &buffer, &view, &SEGMENTS[..2], &mut nchw).is_err());
    assert!(to_nchw(team(), shape, &buffer, &view.columns(0, 48), &SEGMENTS, &mut nchw).is_err());
    assert!(to_nchw(team(), shape, &buffer, &View { pixels: 3, ..view }, &SEGMENTS, &mut nchw).is_err());
    assert!(to_nchw(team(), shape, &buffer, &View { ld: 32, ..view }, &SEGMENTS, &mut nchw).is_err());
    let error = images_to_nhwc(team(), Nhwc::new(1, 2, 2, 3), &nchw[..11], &mut [0.0; 12]).unwrap_err();
    assert!(matches!(error, KernelError::Operand { got: 11, expected: 12, .. }), "{error}");
}
