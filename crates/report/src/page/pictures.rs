//! [`section`]: images with the detections of both networks.

use maud::html;

use super::Section;
use crate::Example;

pub(super) fn section(examples: &[Example]) -> Option<Section> {
    if examples.is_empty() {
        return None;
    }
    let body = html! {
        p {
            "These images are not chosen by hand: the two networks disagree most on them, and the seed selects one more. Objects \
             that a network misses are dashed."
        }
        div class="dets" {
            @for example in examples {
                figure class="pair" {
                    figcaption { b { (example.why) } " " span class="muted" { (example.name) ". " (example.finding) } }
                    div class="two" {
                        @for (who, picture) in [("labels", &example.labels), ("baseline", &example.before), ("fine-tuned", &example.after)] {
                            div {
                                img src=(picture) alt=(format!("{who} on {}", example.name)) loading="lazy";
                                div class="small muted" { (who) }
                            }
                        }
                    }
                }
            }
        }
    };
    Some(Section { id: "examples", short: "Examples", title: "Before and after", body })
}
