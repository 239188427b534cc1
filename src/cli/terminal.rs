//! A terminal that gives its keys one by one, and takes lines that are drawn over and over in one place.
//!
//! In: keys that somebody presses, lines to show. Out: the keys, and the lines on stderr; at the end the terminal as it was.
//! Not: what the keys mean.

use std::io::{Read, Write};

/// A key that means something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Letter(char),
    Up,
    Down,
    Right,
}

/// stdin and stderr, where both are one person's terminal.
pub(super) struct Terminal {
    #[cfg(unix)]
    before: nix::sys::termios::Termios,
    screen: console::Term,
}

/// Narrower terminals are drawn on as if they were so wide, and break the lines.
const COLUMNS_MIN: usize = 40;
/// Wider ones stay empty beyond: longer lines are hard to follow.
const COLUMNS_MAX: usize = 100;

#[cfg(unix)]
const HIDE_CURSOR: &str = "\x1b[?25l";
const SHOW_CURSOR: &str = "\x1b[?25h";
/// From here to the end of the screen.
const CLEAR_BELOW: &str = "\r\x1b[0J";

impl Terminal {
    /// The terminal, if there is one that can be drawn on; keys are not echoed from now on.
    #[cfg(unix)]
    pub(super) fn open() -> Option<Self> {
        use nix::sys::termios::{
            LocalFlags, SetArg, SpecialCharacterIndices, tcgetattr, tcsetattr,
        };
        use std::io::IsTerminal;
        let (stdin, screen) = (std::io::stdin(), console::Term::stderr());
        let is_dumb = std::env::var_os("TERM").is_none_or(|name| name == "dumb");
        if !stdin.is_terminal() || !screen.is_term() || is_dumb {
            return None;
        }
        let before = tcgetattr(&stdin).ok()?;
        let mut now = before.clone();
        // Ctrl-C and Ctrl-Z mean what they always mean.
        now.local_flags
            .remove(LocalFlags::ICANON | LocalFlags::ECHO);
        now.control_chars[SpecialCharacterIndices::VMIN as usize] = 0; // lossless: an index
        now.control_chars[SpecialCharacterIndices::VTIME as usize] = 0; // lossless: an index
        tcsetattr(&stdin, SetArg::TCSANOW, &now).ok()?;
        let terminal = Self { before, screen };
        terminal.write(HIDE_CURSOR);
        Some(terminal)
    }

    /// Keys one by one are not to be had on this system.
    #[cfg(not(unix))]
    pub(super) fn open() -> Option<Self> {
        None
    }

    /// The next key that was pressed, if any; waits for none.
    pub(super) fn key(&self) -> Option<Key> {
        let byte = || {
            let mut byte = [0];
            matches!(std::io::stdin().lock().read(&mut byte), Ok(1)).then_some(byte[0])
        };
        match byte()? {
            // `ESC [ A` and so on, or `ESC O A`.
            0x1b => match (byte()?, byte()?) {
                (b'[' | b'O', b'A') => Some(Key::Up),
                (b'[' | b'O', b'B') => Some(Key::Down),
                (b'[' | b'O', b'C') => Some(Key::Right),
                _ => None,
            },
            letter => Some(Key::Letter(char::from(letter))),
        }
    }

    /// How many columns lines should fill.
    pub(super) fn columns(&self) -> usize {
        let (_, columns) = self.screen.size();
        usize::from(columns)
            .saturating_sub(1)
            .clamp(COLUMNS_MIN, COLUMNS_MAX)
    }

    /// Shows these lines in place of the last ones. The cursor stays at their beginning: what others write to stderr stands
    /// above what is drawn next.
    pub(super) fn draw(&self, lines: &[String]) {
        let mut text = CLEAR_BELOW.to_owned();
        for line in lines {
            text += &console::truncate_str(line, self.columns(), "…");
            text.push('\n');
        }
        text += &format!("\x1b[{}A", lines.len());
        self.write(&text);
    }

    /// Takes away what was drawn.
    pub(super) fn clear(&self) {
        self.write(CLEAR_BELOW);
    }

    fn write(&self, text: &str) {
        // A terminal that has gone takes nothing any more.
        let _ = std::io::stderr().write_all(text.as_bytes());
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.clear();
        self.write(SHOW_CURSOR);
        #[cfg(unix)]
        {
            use nix::sys::termios::{SetArg, tcsetattr};
            // It has gone, or takes it.
            let _ = tcsetattr(std::io::stdin(), SetArg::TCSANOW, &self.before);
        }
    }
}
