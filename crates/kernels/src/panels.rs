//! [`Panel`]: a range of output channels that a tile computes at once.
//!
//! A packed matrix `[k][channels]` is stored as one panel after another, each `[k][width]`, so that a tile
//! reads its weights in one stream. The panel that starts at channel `s` starts at value `s * k`.

use crate::SEGMENT;

/// A range of neighbouring output channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Panel {
    /// First channel.
    pub(crate) start: usize,
    /// 16, 32, 48 or 64 channels.
    pub(crate) width: usize,
}

/// Divides `channels` (whole segments) into panels of at most `widest` channels, which is 16, 48 or 64; none
/// is unnecessarily narrow.
pub(crate) fn panels(widest: usize, channels: usize) -> Vec<Panel> {
    debug_assert!(channels.is_multiple_of(SEGMENT));
    let mut panels = Vec::new();
    let mut start = 0;
    while start < channels {
        let width = match (widest, channels - start) {
            (48, 48) | (64, 80 | 96) => 48,
            (64, rest) => rest.min(64),
            (48, rest) if rest > SEGMENT => 32,
            _ => SEGMENT,
        };
        panels.push(Panel { start, width });
        start += width;
    }
    panels
}

/// Divides panels into `groups` of nearly equal channel counts; into fewer groups if there are fewer panels.
pub(crate) fn groups(panels: &[Panel], groups: usize) -> Vec<Vec<Panel>> {
    let groups = groups.clamp(1, panels.len().max(1));
    let cut = |i: usize| panels.len() * i / groups;
    (0..groups).map(|i| panels[cut(i)..cut(i + 1)].to_vec()).collect()
}

/// First channel and number of channels of a range of panels.
pub(crate) fn extent(group: &[Panel]) -> (usize, usize) {
    let start = group.first().map_or(0, |p| p.start);
    (start, group.iter().map(|p| p.width).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panels_cover_every_channel_once() {
        for widest in [16, 48, 64] {
            for segments in 1..20 {
                let channels = segments * SEGMENT;
                let panels = panels(widest, channels);
                let mut next = 0;
                for panel in &panels {
                    assert_eq!(panel.start, next);
                    assert!(panel.width <= widest);
                    next += panel.width;
                }
                assert_eq!(next, channels);
                for n in 1..5 {
                    let groups = groups(&panels, n);
                    assert_eq!(groups.concat(), panels);
                    assert!(groups.iter().all(|g| !g.is_empty()));
                }
            }
        }
        let widths = |widest| panels(widest, 80).iter().map(|p| p.width).collect::<Vec<_>>();
        assert_eq!(widths(48), [32, 48]);
        assert_eq!(widths(64), [48, 32]);
    }
}
