//! [`print_metrics`]: the table of metrics by class.

use bonsai_pipeline::DetMetrics;

use crate::output::{name, say};

/// Prints the metrics of each class and of all classes. A class without evaluated objects has no metrics and
/// is not part of the means; `left_out` is the number of objects of each class that were not evaluated.
pub(crate) fn print_metrics(metrics: &DetMetrics, names: &[String], left_out: &[usize]) {
    say!("{:>20} {:>9} {:>9} {:>9} {:>9} {:>9}", "class", "objects", "P", "R", "mAP50", "mAP50-95");
    let row = |class: &str, (counted, left_out): (usize, usize), figures: [f64; 4]| {
        let [p, r, map50, map50_95] =
            figures.map(|figure| if counted == 0 { "n/a".to_owned() } else { format!("{figure:.3}") });
        let name = name(class);
        let n = counted + left_out;
        say!("{name:>20} {n:>9} {p:>9} {r:>9} {map50:>9} {map50_95:>9}");
    };
    let counted = metrics.per_class.iter().filter(|class| class.instances > 0).count();
    let whole = match metrics.per_class.len() {
        classes if classes == counted => "all".to_owned(),
        classes => format!("all ({counted} of {classes})"),
    };
    let all = [metrics.precision, metrics.recall, metrics.map50, metrics.map50_95];
    row(&whole, (metrics.instances, 0), all);
    for class in &metrics.per_class {
        let class_name = names.get(class.class_id).map_or("?", String::as_str);
        let objects = (class.instances, left_out.get(class.class_id).copied().unwrap_or_default());
        row(class_name, objects, [class.precision, class.recall, class.ap50, class.ap50_95]);
    }
}
