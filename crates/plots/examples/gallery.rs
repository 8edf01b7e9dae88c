//! Example: writes every kind of picture into a folder, from synthetic numbers:
//! `cargo run -p bonsai-plots --example gallery -- FOLDER`.

#![allow(clippy::print_stdout, reason = "printing is what an example is for")]

use std::error::Error;
use std::path::PathBuf;

use bonsai_boxes::{Cxcywh, Xyxy};
use bonsai_plots::{
    CellValue, ClassCurve, CurveKind, CurvePlot, EpochFigures, LabelBox, Losses, RgbImage, Tile, TileBox,
    draw_confusion_matrix, draw_curves, draw_grid, draw_labels, draw_results,
};

/// Random numbers in `0..1`, the same in every run.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as f64 / f64::from(1u32 << 31)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(std::env::args().nth(1).ok_or("pass the folder to write to")?);
    let mut draw = Draw(1);
    let few = ["Platelets", "RBC", "WBC"].map(str::to_owned).to_vec();
    let many: Vec<String> = (0..80).map(|i| format!("class number {i}")).collect();
    let twenty: Vec<String> = (0..20).map(|i| format!("traffic sign {i}")).collect();
    let odd = ["猫", "a name so long that nobody will ever read it to its end, and then some", "ж"]
        .map(str::to_owned);
    let save = |name: &str, picture: RgbImage| picture.save(folder.join(name));

    save("results.png", draw_results(&history(&mut draw, 50))?)?;
    save("results_1.png", draw_results(&history(&mut draw, 1))?)?;
    save("results_0.png", draw_results(&[])?)?;
    save("results_300.png", draw_results(&history(&mut draw, 300))?)?;

    for (name, names) in
        [("few", &few), ("twenty", &twenty), ("many", &many), ("odd", &odd.to_vec()), ("none", &vec![])]
    {
        let side = names.len() + 1;
        let counts: Vec<u64> = (0..side * side)
            .map(|i| {
                let diagonal = i / side == i % side && i + 1 < side * side;
                let usual = if diagonal { 900.0 } else { 40.0 };
                if diagonal || draw.next() > 0.4 { (usual * draw.next()) as u64 } else { 0 }
            })
            .collect();
        let file = |end: &str| format!("confusion_matrix_{name}{end}.png");
        save(&file(""), draw_confusion_matrix(&counts, names, CellValue::Count)?)?;
        save(&file("_normalized"), draw_confusion_matrix(&counts, names, CellValue::ShareOfTrueClass)?)?;

        let curves: Vec<(Vec<f64>, Vec<f64>)> = names.iter().map(|_| curves(&mut draw)).collect();
        for (kind, file) in [(CurveKind::F1, "F1"), (CurveKind::PrecisionRecall, "PR")] {
            let of = |i: usize| if kind == CurveKind::F1 { &curves[i].0 } else { &curves[i].1 };
            let classes: Vec<ClassCurve> = (0..names.len())
                .map(|i| ClassCurve {
                    class_id: i,
                    values: of(i),
                    figure: (kind == CurveKind::PrecisionRecall).then_some(0.8),
                })
                .collect();
            let mean: Vec<f64> = (0..if names.is_empty() { 0 } else { 1000 })
                .map(|x| (0..names.len()).map(|i| of(i)[x]).sum::<f64>() / names.len() as f64)
                .collect();
            let best = mean.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
            let best = best.map(|(i, &value)| (i as f64 / 999.0, value)).filter(|_| kind == CurveKind::F1);
            let mean_figure = (kind == CurveKind::PrecisionRecall).then_some(0.812);
            let plot = CurvePlot { kind, classes: &classes, mean: &mean, mean_figure, best };
            save(&format!("{file}_curve_{name}.png"), draw_curves(&plot, names)?)?;
        }

        let labels: Vec<LabelBox> = (0..names.len() * 400).map(|_| label(&mut draw, names.len())).collect();
        save(&format!("labels_{name}.png"), draw_labels(&labels, names)?)?;
    }

    for (count, size) in [(16usize, 320u32), (3, 640), (7, 96)] {
        let images: Vec<RgbImage> = (0..count)
            .map(|i| {
                let height = if i % 3 == 1 { size * 3 / 4 } else { size };
                let shade = |v: u32| (60 + v * 120 / size) as u8;
                RgbImage::from_fn(size, height, |x, y| image::Rgb([shade(x), shade(y), 40 * (i % 5) as u8]))
            })
            .collect();
        let boxes: Vec<Vec<TileBox>> = (0..count)
            .map(|i| (0..i).map(|k| tile_box(&mut draw, size as f32, k % 2 == 0)).collect())
            .collect();
        let names: Vec<String> = (0..count).map(|i| format!("BloodImage_{i:05}.jpg")).collect();
        let tiles: Vec<Tile> =
            (0..count).map(|i| Tile { image: &images[i], name: &names[i], boxes: &boxes[i] }).collect();
        save(&format!("grid_{count}.jpg"), draw_grid(&tiles, &few)?)?;
    }
    Ok(())
}

fn history(draw: &mut Draw, epochs: usize) -> Vec<EpochFigures> {
    (1..=epochs)
        .map(|epoch| {
            let part = epoch as f64 / epochs as f64;
            let mut loss =
                |start: f64| start * (0.3 + 0.7 * (-4.0 * part).exp()) * (0.95 + 0.1 * draw.next());
            let train = Losses { bbox: loss(3.5), cls: loss(4.2), dfl: loss(2.8) };
            let val = Losses {
                bbox: if epoch == 20 { f64::NAN } else { loss(3.2) },
                cls: loss(5.0),
                dfl: loss(2.9),
            };
            let mut rise = |end: f64| end * (1.0 - (-5.0 * part).exp()) * (0.9 + 0.1 * draw.next());
            let precision = rise(0.85);
            let recall = rise(0.9);
            let map50 = rise(0.89);
            let map50_95 = rise(0.58);
            EpochFigures { epoch, train, val, precision, recall, map50, map50_95 }
        })
        .collect()
}

/// Synthetic curves like F1 over confidence, and precision over recall.
fn curves(draw: &mut Draw) -> (Vec<f64>, Vec<f64>) {
    let height = 0.6 + 0.4 * draw.next();
    let peak = 0.2 + 0.5 * draw.next();
    let end = 0.7 + 0.3 * draw.next();
    let at = |i: u32| f64::from(i) / 999.0;
    let f1 = (0..1000).map(|i| height * (1.0 - ((at(i) - peak) / (1.2 - peak)).powi(2)).max(0.0)).collect();
    let pr = (0..1000).map(|i| if at(i) < end { height * (1.0 - at(i).powi(6)) } else { 0.0 }).collect();
    (f1, pr)
}

fn label(draw: &mut Draw, classes: usize) -> LabelBox {
    let mut side = || (0.05 + 0.4 * draw.next() * draw.next()) as f32;
    let w = side();
    let h = side();
    let mut centre = || f64::midpoint(draw.next(), draw.next()) as f32;
    let cx = centre();
    let cy = centre();
    let class_id = (draw.next() * draw.next() * classes as f64) as usize;
    LabelBox { class_id, bbox: Cxcywh { cx, cy, w, h } }
}

fn tile_box(draw: &mut Draw, size: f32, predicted: bool) -> TileBox {
    let mut place = || draw.next() as f32 * size * 0.8;
    let x1 = place();
    let y1 = place();
    let bbox = Xyxy { x1, y1, x2: x1 + size * 0.2, y2: y1 + size * 0.25 };
    let class_id = (draw.next() * 3.0) as usize;
    TileBox { bbox, class_id, confidence: predicted.then(|| draw.next() as f32) }
}
