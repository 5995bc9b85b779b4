//! Line plots as SVG, for browsers and for the pages of a repository.

use std::fmt::Write as _;

use crate::row::number;

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 210.0;
/// Space for the numbers on the left, for the legend on the right, above and below.
const LEFT: f64 = 70.0;
const RIGHT: f64 = 190.0;
const ABOVE: f64 = 34.0;
const BELOW: f64 = 42.0;
/// Colours that people with red-green colour blindness can tell apart.
const COLOURS: [&str; 5] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56606b"];

/// The spacing of the numbers on an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// From zero, evenly.
    Linear,
    /// By powers of ten.
    Logarithmic,
}

/// One line.
pub struct Line {
    /// Its name.
    pub name: String,
    /// Its points, in the order of their first numbers.
    pub points: Vec<(f64, f64)>,
}

/// Lines that share their axes.
pub struct Panel {
    /// The title, with the unit of the vertical axis.
    pub title: String,
    /// What the horizontal axis counts.
    pub across: String,
    /// The spacing of the axes: horizontal, vertical.
    pub scales: (Scale, Scale),
    /// The lines.
    pub lines: Vec<Line>,
}

/// Returns the panels, one below the other.
pub fn svg(panels: &[Panel]) -> String {
    let height = HEIGHT * panels.len() as f64;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"system-ui, sans-serif\" font-size=\"12\" fill=\"#24292f\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
    );
    for (n, panel) in panels.iter().enumerate() {
        let _ = writeln!(out, "<g transform=\"translate(0 {})\">", HEIGHT * n as f64);
        panel.draw(&mut out);
        out.push_str("</g>\n");
    }
    out + "</svg>\n"
}

impl Panel {
    fn draw(&self, out: &mut String) {
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let across = Axis::of(self.scales.0, points().map(|point| point.0));
        let upright = Axis::of(self.scales.1, points().map(|point| point.1));
        let x = |value: f64| LEFT + across.place(value) * (WIDTH - LEFT - RIGHT);
        let y = |value: f64| HEIGHT - BELOW - upright.place(value) * (HEIGHT - ABOVE - BELOW);
        let _ = writeln!(
            out,
            "<text x=\"{LEFT}\" y=\"20\" font-weight=\"600\">{}</text>",
            escaped(&self.title)
        );
        let right = WIDTH - RIGHT;
        for tick in upright.ticks() {
            let (at, text) = (y(tick), number(tick));
            let text = text.trim_end_matches(".00").trim_end_matches(".0");
            let _ = writeln!(
                out,
                "<line x1=\"{LEFT}\" x2=\"{right}\" y1=\"{at:.1}\" y2=\"{at:.1}\" stroke=\"#d8dee4\"/>\
                 <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{text}</text>",
                LEFT - 8.0,
                at + 4.0
            );
        }
        for tick in across.ticks() {
            let (at, text) = (x(tick), number(tick));
            let text = text.trim_end_matches(".00").trim_end_matches(".0");
            let below = HEIGHT - BELOW + 16.0;
            let _ = writeln!(
                out,
                "<text x=\"{at:.1}\" y=\"{below}\" text-anchor=\"middle\">{text}</text>"
            );
        }
        let (middle, below) = ((LEFT + right) / 2.0, HEIGHT - 10.0);
        let across = escaped(&self.across);
        let _ = writeln!(
            out,
            "<text x=\"{middle}\" y=\"{below}\" text-anchor=\"middle\" fill=\"#57606a\">{across}</text>"
        );
        for (n, line) in self.lines.iter().enumerate() {
            let colour = COLOURS[n % COLOURS.len()];
            let points = line.points.iter().filter(|(_, value)| value.is_finite());
            let points: Vec<_> = points.map(|&(a, b)| format!("{:.1},{:.1}", x(a), y(b))).collect();
            let _ = writeln!(
                out,
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.8\"/>",
                points.join(" ")
            );
            for point in &points {
                let (cx, cy) = point.split_once(',').unwrap_or_default();
                let _ =
                    writeln!(out, "<circle cx=\"{cx}\" cy=\"{cy}\" r=\"2.2\" fill=\"{colour}\"/>");
            }
            let at = ABOVE + 8.0 + 18.0 * n as f64;
            let _ = writeln!(
                out,
                "<text x=\"{}\" y=\"{}\" fill=\"{colour}\">{}</text>",
                right + 14.0,
                at + 4.0,
                escaped(&line.name)
            );
        }
    }
}

/// The range of an axis.
struct Axis {
    scale: Scale,
    from: f64,
    to: f64,
}

impl Axis {
    fn of(scale: Scale, values: impl Iterator<Item = f64>) -> Self {
        let values: Vec<f64> = values.filter(|value| value.is_finite() && *value > 0.0).collect();
        let most = values.iter().copied().fold(1e-9, f64::max);
        let least = values.iter().copied().fold(most, f64::min);
        match scale {
            Scale::Linear => Self { scale, from: 0.0, to: most * 1.08 },
            Scale::Logarithmic => {
                let to = 10f64.powf(most.log10().ceil());
                let from = 10f64.powf(least.log10().floor()).min(to / 10.0);
                Self { scale, from, to }
            }
        }
    }

    /// Returns the position of `value`, from 0 to 1.
    fn place(&self, value: f64) -> f64 {
        match self.scale {
            Scale::Linear => (value - self.from) / (self.to - self.from),
            Scale::Logarithmic => {
                let value = value.max(self.from);
                (value / self.from).log10() / (self.to / self.from).log10()
            }
        }
    }

    fn ticks(&self) -> Vec<f64> {
        match self.scale {
            Scale::Linear => {
                let rough = self.to / 4.0;
                let power = 10f64.powf(rough.log10().floor());
                let steps = [1.0, 2.0, 2.5, 5.0, 10.0].map(|step| step * power);
                let step = steps.into_iter().find(|step| *step >= rough).unwrap_or(rough);
                (0..).map(|n| f64::from(n) * step).take_while(|tick| *tick <= self.to).collect()
            }
            Scale::Logarithmic => {
                let (from, to) = (self.from.log10().round() as i32, self.to.log10().round() as i32);
                (from..=to).map(|power| 10f64.powi(power)).collect()
            }
        }
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_where_its_axis_says() {
        let linear = Axis::of(Scale::Linear, [10.0, 100.0].into_iter());
        assert_eq!((linear.place(0.0), linear.place(54.0)), (0.0, 0.5));
        assert_eq!(linear.ticks(), [0.0, 50.0, 100.0]);
        let powers = Axis::of(Scale::Logarithmic, [2.0, 900.0].into_iter());
        assert_eq!(powers.ticks(), [1.0, 10.0, 100.0, 1_000.0]);
        assert!((powers.place(10.0) - 1.0 / 3.0).abs() < 1e-9);
    }

    #[test]
    fn what_cannot_be_drawn_is_left_out() {
        let points = vec![(1.0, 5.0), (2.0, f64::NAN)];
        let lines = vec![Line { name: "a < b".to_owned(), points }];
        let scales = (Scale::Linear, Scale::Linear);
        let (title, across) = ("t".to_owned(), "pushes".to_owned());
        let drawn = svg(&[Panel { title, across, scales, lines }]);
        assert!(drawn.contains("a &lt; b") && !drawn.contains("NaN"), "{drawn}");
        assert_eq!(drawn.matches("<circle").count(), 1);
    }
}
