//! ONNX files of every form, with every available runtime.

use std::path::Path;

use bonsai_boxes::Detection;
use bonsai_checkpoint::Array;
use bonsai_data::RgbImage;
use bonsai_detector::{
    DetectOptions, Detector, DetectorError, LibrarySearch, LoadOptions, Origin, Outputs, Runtime,
};
use bonsai_exec::{Device, ExecutorKind, ExecutorOptions};
use bonsai_graph::Size;
use image::Rgb;
use prost::Message;

use crate::chain::Chain;
use crate::tiny_onnx::Tiny;

/// Options that search for onnxruntime as the command line does.
pub(crate) fn options(runtime: Runtime) -> LoadOptions {
    let library = LibrarySearch { variable: std::env::var_os("ORT_DYLIB_PATH"), ..LibrarySearch::default() };
    LoadOptions { runtime: Some(runtime), library, ..LoadOptions::default() }
}

/// Opens a file in every runtime, and prints the runtimes that are not available.
pub(crate) fn open(path: &Path) -> Vec<Detector> {
    let mut opened = Vec::new();
    for runtime in Runtime::ALL {
        match Detector::load(path, options(runtime)) {
            Ok(detector) => opened.push(detector),
            Err(DetectorError::Load { source, .. }) if matches!(*source, DetectorError::NotRun { .. }) => {
                assert_eq!(runtime, Runtime::Onnxruntime, "rten must always be available");
                eprintln!("not checked: {source}");
            }
            Err(error) => panic!("{runtime}: {}", Chain(&error)),
        }
    }
    opened
}

/// A black picture with one grey cell at (8, 0).
fn picture(grey: u8) -> RgbImage {
    RgbImage::from_fn(16, 16, |x, y| Rgb([if x >= 8 && y < 8 { grey } else { 0 }; 3]))
}

fn config(detector: &Detector) -> DetectOptions {
    DetectOptions { confidence: 0.1, ..detector.config() }
}

/// Class, confidence and box of the only detection.
#[track_caller]
fn assert_one(found: &[Detection], class: usize, confidence: f32, bbox: [f32; 4]) {
    let [one] = found else { panic!("{found:?}") };
    assert_eq!(one.class_id, class);
    assert!((one.confidence - confidence).abs() < 1e-3, "{one:?}, expected {confidence}");
    let corners = [one.bbox.x1, one.bbox.y1, one.bbox.x2, one.bbox.y2];
    assert!(corners.iter().zip(bbox).all(|(a, b)| (a - b).abs() < 1e-3), "{one:?}, expected {bbox:?}");
}

#[test]
fn every_form_of_a_file_is_read() {
    const BOX: [f32; 4] = [4.0, 4.0, 8.0, 6.0];
    let planes = Tiny::planes();
    let any_size = Tiny { batch: None, size: None, ..Tiny::planes() };
    let forms = [
        ("as Ultralytics writes it", planes.clone(), 0, 0.8),
        ("f16", Tiny { half: true, ..planes.clone() }, 0, 0.8),
        ("any batch", Tiny { batch: None, ..planes.clone() }, 0, 0.8),
        ("any size", any_size.clone(), 0, 0.8),
        ("f16 of any size", Tiny { half: true, ..any_size.clone() }, 0, 0.8),
        ("no shape written down", Tiny { shaped: false, ..planes.clone() }, 0, 0.8),
        ("rows with objectness", Tiny::rows(), 0, 0.4),
        ("rows of any size", Tiny { batch: None, size: None, ..Tiny::rows() }, 0, 0.4),
        ("detections", Tiny::detections(), 1, 0.8),
        ("detections of any size", Tiny { batch: None, size: None, ..Tiny::detections() }, 1, 0.8),
        ("names as a list", planes.clone().with("names", Some("['cat', \"dog\"]")), 0, 0.8),
        ("size as a tuple", any_size.clone().with("imgsz", Some("(16, 16)")), 0, 0.8),
    ];
    let folder = tempfile::tempdir().unwrap();
    for (form, tiny, class, confidence) in forms {
        for mut detector in open(&tiny.save(folder.path())) {
            assert_eq!(detector.class_names(), ["cat", "dog"], "{form}");
            assert_eq!((detector.imgsz(), detector.stride()), (16, 8), "{form}");
            assert!(matches!(detector.origin(), Origin::Onnx(_)) && detector.model().is_none());
            let config = config(&detector);
            let found = detector.detect(&picture(204), &config).unwrap();
            let only: Vec<Detection> = found.into_iter().take(1).collect();
            assert_one(&only, class, confidence, BOX);
        }
    }
}

#[test]
fn a_batch_is_answered_whatever_the_file_takes_at_once() {
    let folder = tempfile::tempdir().unwrap();
    for (base, scale) in [(Tiny::planes(), 1.0), (Tiny::detections(), 1.0), (Tiny::rows(), 0.5)] {
        for batch in [Some(1), Some(2), Some(7), None] {
            let tiny = Tiny { batch, ..base.clone() };
            for mut detector in open(&tiny.save(folder.path())) {
                let greys = [255, 0, 102, 204, 51];
                let pictures = greys.map(picture);
                let config = DetectOptions { confidence: 0.05, ..detector.config() };
                let found = detector.detect_batch(&pictures, &config).unwrap();
                for (found, grey) in found.iter().zip(greys) {
                    let best = found.first().map_or(0.0, |d| d.confidence);
                    assert!((best - scale * f32::from(grey) / 255.0).abs() < 1e-4, "{batch:?}: {found:?}");
                }
            }
        }
    }
}

#[test]
fn a_file_of_one_size_gets_pictures_of_that_size() {
    let folder = tempfile::tempdir().unwrap();
    let tiny = Tiny { size: Some(Size { height: 16, width: 32 }), ..Tiny::planes() };
    for mut detector in open(&tiny.save(folder.path())) {
        assert_eq!((detector.fixed_size(), detector.imgsz()), (Some(Size { height: 16, width: 32 }), 32));
        // The picture has twice the size, so all boxes are doubled; the picture is not cropped to fewer rows.
        let picture = image::imageops::resize(&picture(255), 64, 32, image::imageops::FilterType::Nearest);
        let config = config(&detector);
        assert_one(&detector.detect(&picture, &config).unwrap(), 0, 1.0, [8.0, 8.0, 16.0, 12.0]);
        let error =
            detector.detect(&picture, &DetectOptions { imgsz: 64, ..config }).unwrap_err().to_string();
        assert!(error.contains("64") && error.contains("16x32"), "{error}");
        let error = detector.run(&Array::zeros(&[1, 3, 16, 16])).unwrap_err().to_string();
        assert!(error.contains("[1, 3, 16, 16]") && error.contains("[n, 3, 16, 32]"), "{error}");
    }
    let any = Tiny { size: None, ..Tiny::planes() };
    for mut detector in open(&any.save(folder.path())) {
        let error = detector.run(&Array::zeros(&[1, 3, 20, 16])).unwrap_err().to_string();
        assert!(error.contains("[1, 3, 20, 16]") && error.contains("multiples of 8"), "{error}");
    }
}

#[test]
fn classes_are_filtered_and_thresholds_kept_in_every_layout() {
    let folder = tempfile::tempdir().unwrap();
    for (tiny, class) in [(Tiny::planes(), 0), (Tiny::detections(), 1)] {
        for mut detector in open(&tiny.save(folder.path())) {
            let with =
                |classes, confidence| DetectOptions { classes, confidence, ..DetectOptions::default() };
            let mut count = |config: DetectOptions| {
                detector.detect(&picture(204), &DetectOptions { imgsz: 16, ..config }).unwrap().len()
            };
            assert!(count(with(None, 0.5)) == 1 && count(with(None, 0.9)) == 0);
            assert!(count(with(Some(vec![class]), 0.5)) == 1 && count(with(Some(vec![1 - class]), 0.5)) == 0);
        }
    }
}

#[test]
fn without_names_classes_are_numbers() {
    let folder = tempfile::tempdir().unwrap();
    // More anchors than columns, as in every real file; otherwise the dimensions are ambiguous.
    let size = Some(Size::square(32));
    let forms = [
        Tiny { size, ..Tiny::planes() },
        Tiny { size, ..Tiny::rows() },
        Tiny { size: None, ..Tiny::planes() },
    ];
    for tiny in forms {
        // Without any metadata the stride is unknown, but a fixed size does not need it.
        let bare = Tiny { metadata: Vec::new(), size, ..tiny.clone() };
        for path_of in [tiny.with("names", None), bare] {
            for mut detector in open(&path_of.save(folder.path())) {
                assert_eq!(detector.class_names(), ["0", "1"]);
                let config = config(&detector);
                assert_eq!(detector.detect(&picture(255), &config).unwrap()[0].class_id, 0);
            }
        }
    }
}

#[test]
fn what_a_file_does_not_have_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let images = Array::zeros(&[1, 3, 16, 16]);
    let path = Tiny::detections().save(folder.path());
    let mut detector = Detector::load(&path, options(Runtime::Rten)).unwrap();
    assert!(matches!(detector.predict(&images), Err(DetectorError::Suppressed)));
    assert!(matches!(detector.read_head(&images, |_| ()), Err(DetectorError::NoHead)));
    assert!(matches!(detector.run(&images).unwrap(), Outputs::Detections(_)));
}

/// The error chain of a file that cannot be loaded; it must name the file.
fn refusal(path: &Path, options: impl Into<LoadOptions>) -> String {
    let error = Detector::load(path, options).unwrap_err();
    let message = Chain(&error).to_string();
    assert!(message.contains(path.file_name().unwrap().to_str().unwrap()), "{message}");
    message
}

#[test]
fn files_of_something_else_are_refused_with_tensor_and_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let wide = Tiny { columns: vec![(0.0, 0.0); 84], ..Tiny::planes() };
    let mut grey = Tiny::planes().model();
    let mut integers = Tiny::planes().model();
    let mut two_inputs = Tiny::planes().model();
    {
        use bonsai_onnx::proto::tensor_shape_proto::dimension;
        use bonsai_onnx::proto::{ValueInfoProto, type_proto};
        let tensor = |value: &mut ValueInfoProto, edit: &dyn Fn(&mut type_proto::Tensor)| {
            let Some(type_proto::Value::TensorType(tensor)) = &mut value.r#type.as_mut().unwrap().value
            else {
                panic!("no tensor")
            };
            edit(tensor);
        };
        tensor(&mut grey.graph.as_mut().unwrap().input[0], &|tensor| {
            tensor.shape.as_mut().unwrap().dim[1].value = Some(dimension::Value::DimValue(1));
        });
        tensor(&mut integers.graph.as_mut().unwrap().input[0], &|tensor| tensor.elem_type = Some(2));
        let graph = two_inputs.graph.as_mut().unwrap();
        let mut other = graph.input[0].clone();
        other.name = Some("depth".to_owned());
        graph.input.push(other);
    }
    let cases = [
        (wide.model(), vec!["`output0`", "84", "[n, 6, anchors]", "2 classes"]),
        (Tiny::planes().with("task", Some("segment")).model(), vec!["`task`", "`segment`", "`detect`"]),
        (Tiny::planes().with("names", Some("{0: 'a'")).model(), vec!["`names`", "at byte 7"]),
        (Tiny::planes().with("names", Some("{0: 'a'}")).model(), vec!["`output0`", "6", "[n, 5, anchors]"]),
        (Tiny::detections().with("names", None).model(), vec!["`output0`", "`names`"]),
        (
            Tiny { columns: vec![(0.0, 0.0); 4], ..Tiny::planes() }.with("names", None).model(),
            vec!["`output0`", "4"],
        ),
        (
            Tiny { size: None, ..Tiny::planes() }.with("imgsz", Some("[20, 20]")).model(),
            vec!["`imgsz`", "20", "multiples of 8"],
        ),
        (Tiny::planes().with("stride", Some("0")).model(), vec!["`stride`", "`0`"]),
        (grey, vec!["`images`", "[1, 1, 16, 16]", "3 channels"]),
        (integers, vec!["`images`", "UINT8", "FLOAT"]),
        (two_inputs, vec!["`images`, `depth`", "2 of them"]),
    ];
    for (model, parts) in cases {
        let path = folder.path().join("odd.onnx");
        std::fs::write(&path, model.encode_to_vec()).unwrap();
        let message = refusal(&path, LoadOptions::default());
        for part in parts {
            assert!(message.contains(part), "`{part}` is not in: {message}");
        }
    }
}

#[test]
fn a_file_cut_off_anywhere_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = Tiny::planes().with("names", None).model().encode_to_vec();
    let path = folder.path().join("cut.onnx");
    // After the graph and the operator set there is only metadata; a file cut there is a file without
    // metadata.
    let mut whole = Tiny::planes().model();
    whole.metadata_props.clear();
    let needed = whole.encoded_len();
    for length in [0, 1, 2, 3, 9, needed / 2, needed - 12] {
        std::fs::write(&path, &bytes[..length]).unwrap();
        refusal(&path, LoadOptions::default());
    }
    // An operator that no runtime knows.
    let mut foreign = Tiny::planes().model();
    foreign.graph.as_mut().unwrap().node[0].op_type = Some("Convolve".to_owned());
    std::fs::write(&path, foreign.encode_to_vec()).unwrap();
    for detector in [Runtime::Rten, Runtime::Onnxruntime] {
        let message = refusal(&path, options(detector));
        assert!(message.contains("Convolve") || message.contains("not run, because"), "{message}");
    }
}

#[test]
fn executors_and_runtimes_are_not_mixed_up() {
    let folder = tempfile::tempdir().unwrap();
    let path = Tiny::planes().save(folder.path());
    let candle = ExecutorOptions { kind: Some(ExecutorKind::Candle), ..Device::Cpu.into() };
    let message = refusal(&path, candle);
    assert!(message.contains("candle") && message.contains("`--runtime`"), "{message}");
    let network = folder.path().join("net.safetensors");
    crate::network::bright_cells([1, 1, 1, 1], &[5.0]).save(&network).unwrap();
    let message = refusal(&network, options(Runtime::Rten));
    assert!(message.contains("rten") && message.contains("`--executor`"), "{message}");
}

#[test]
fn a_library_that_is_none_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = Tiny::planes().save(folder.path());
    let library = folder.path().join("libonnxruntime.so");
    std::fs::write(&library, b"no library").unwrap();
    let explicit = LibrarySearch { explicit: Some(library), ..LibrarySearch::default() };
    let options = LoadOptions { library: explicit, ..options(Runtime::Onnxruntime) };
    // A process loads one library; if another test was first, that library is used.
    if let Err(error) = Detector::load(&path, options) {
        let message = Chain(&error).to_string();
        let because = message.contains("libonnxruntime.so") || message.contains("feature `ort`");
        assert!(message.contains("onnxruntime: not run, because") && because, "{message}");
    }
}
