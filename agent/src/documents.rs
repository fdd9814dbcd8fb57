//! The manual page and the completions of shells, made of the definition that `--help` is made of: so
//! one file carries them all, and they never differ.

use std::io::{self, Write};

use clap::{Command, CommandFactory, ValueEnum};
use clap_complete::{Generator, shells};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, italic, roman};

use crate::options::Options;

/// Shells that complete words by what a program tells them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// GNU bash
    Bash,
    /// The Z shell
    Zsh,
    /// The friendly interactive shell
    Fish,
}

/// What these options ask to be printed in place of running.
pub fn wanted(options: &Options) -> Option<Vec<u8>> {
    if options.man {
        return Some(manual());
    }
    options.completions.map(completions)
}

/// The manual page in roff. What stands below the options in `--help` becomes sections of it.
fn manual() -> Vec<u8> {
    let mut command = Options::command();
    command.build();
    let below = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let version = format!("kurado-agent {}", command.get_version().unwrap_or_default());
    let mut page = Vec::new();
    // Writing to memory can't fail.
    let _ = render(&Man::new(command), &version, &below, &mut page);
    page
}

fn render(man: &Man, version: &str, below: &str, out: &mut Vec<u8>) -> io::Result<()> {
    // Without a date: it would be that of the build.
    writeln!(out, ".TH KURADO\\-AGENT 8 \"\" \"{version}\" Kurado")?;
    man.render_name_section(out)?;
    // Not each option without what it takes, as clap_mangen has it.
    let mut synopsis = Roff::new();
    synopsis.control("SH", ["SYNOPSIS"]);
    synopsis.text([bold("kurado-agent"), roman(" ["), italic("OPTIONS"), roman("]")]);
    synopsis.to_writer(out)?;
    man.render_description_section(out)?;
    man.render_options_section(out)?;
    let mut roff = Roff::new();
    for paragraph in below.split("\n\n") {
        section(&mut roff, paragraph);
    }
    roff.to_writer(out)
}

/// A title with a colon, and lines: a term and its text with at least two blanks between, more text of the
/// term before, which stands under the text, or else something to type.
fn section(roff: &mut Roff, paragraph: &str) {
    let mut lines = paragraph.lines();
    let title = lines.next().unwrap_or_default().trim_end_matches(':').to_uppercase();
    roff.control("SH", [title.as_str()]);
    for (index, line) in lines.enumerate() {
        if line.starts_with("   ") {
            roff.text([roman(line.trim())]);
        } else if let Some((term, text)) = line.trim().split_once("  ") {
            roff.control("TP", []);
            roff.text([bold(term)]);
            roff.text([roman(text.trim())]);
        } else {
            if index > 0 {
                roff.control("PP", []);
            }
            roff.control("nf", []);
            roff.text([roman(line.trim())]);
            roff.control("fi", []);
        }
    }
}

fn completions(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    match shell {
        Shell::Bash => generate(shells::Bash, &mut script),
        Shell::Zsh => generate(shells::Zsh, &mut script),
        Shell::Fish => generate(shells::Fish, &mut script),
    }
    script
}

fn generate(shell: impl Generator, script: &mut Vec<u8>) {
    let mut command: Command = Options::command();
    clap_complete::generate(shell, &mut command, "kurado-agent", script);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(document: Vec<u8>) -> String {
        String::from_utf8(document).unwrap()
    }

    /// The long options, without their dashes.
    fn long_options() -> Vec<String> {
        let command = Options::command();
        command.get_arguments().filter_map(|option| option.get_long().map(str::to_owned)).collect()
    }

    #[test]
    fn the_manual_has_each_option_and_what_stands_below_them() {
        let page = text(manual());
        for option in long_options() {
            let written = option.replace('-', "\\-");
            assert!(page.contains(&format!("\\-\\-{written}")), "{option}: {page}");
        }
        for title in ["ENVIRONMENT", "FILES", "SIGNALS", "\"EXIT STATUS\"", "EXAMPLES"] {
            assert!(page.contains(&format!(".SH {title}\n")), "{title}: {page}");
        }
        assert!(page.contains("KURADO_PASSWORD"), "{page}");
    }

    #[test]
    fn completions_know_each_option() {
        for shell in Shell::value_variants() {
            let script = text(completions(*shell));
            for option in long_options() {
                // fish has them without dashes.
                assert!(script.contains(&option), "{shell:?} lacks {option}: {script}");
            }
        }
    }

    #[test]
    fn a_section_has_terms_with_text_of_several_lines_and_lines_to_type() {
        let mut roff = Roff::new();
        section(&mut roff, "Exit status:\n  0  All is\n     well\n  kurado-agent --dump");
        let page = roff.render();
        assert!(
            page.contains(".SH \"EXIT STATUS\"\n.TP\n\\fB0\\fR\nAll is\nwell\n.PP\n.nf\n"),
            "{page}"
        );
        assert!(page.contains("kurado\\-agent \\-\\-dump\n.fi\n"), "{page}");
    }
}
