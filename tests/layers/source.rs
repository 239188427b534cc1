//! Reads Rust sources as far as the rules of `layers.rs` need: which paths a file names, which nouns it makes public.
//!
//! The text is taken apart by rustc's own rules (`proc_macro2`), so comments, strings and layout do not matter; what stands
//! under `#[cfg(test)]` is left out, wherever it is.

#![allow(unreachable_pub, reason = "a part of one test")]

use proc_macro2::{Delimiter, Ident, TokenStream, TokenTree};
use std::collections::{BTreeMap, BTreeSet};

/// A file of `src`, without its tests.
pub struct Source {
    /// Its path below `src`, with `/`.
    pub name: String,
    /// The modules it lies in and is: `output/synth/font.rs` is `output::synth::font`.
    pub module: Vec<String>,
    /// Its first line.
    first_line: String,
    /// Every path of two words and more, imports spelled out one by one, and every macro as `name!`.
    pub paths: Vec<Path>,
    /// What it imports: the name here, and the path it leads to.
    imports: BTreeMap<String, Vec<String>>,
    /// Types and traits that are public.
    pub nouns: Vec<(String, usize)>,
}

/// A path, as it is written but for braces, and where.
pub struct Path {
    pub words: Vec<String>,
    pub line: usize,
    /// The function in whose body it stands.
    pub function: Option<String>,
}

impl Path {
    /// Whether it begins with these words.
    pub fn is_below(&self, words: &str) -> bool {
        let mut own = self.words.iter();
        words
            .split("::")
            .all(|word| own.next().is_some_and(|own| own == word))
    }
}

impl Source {
    /// Reads a file.
    pub fn new(name: &str, text: &str) -> Self {
        let tokens: TokenStream = text.parse().expect("the file is Rust");
        let mut source = Self {
            name: name.to_owned(),
            module: module_of(name),
            first_line: text.lines().next().unwrap_or_default().to_owned(),
            paths: Vec::new(),
            imports: BTreeMap::new(),
            nouns: Vec::new(),
        };
        source.read(&tokens.into_iter().collect::<Vec<_>>(), None);
        source
    }

    /// Whether its first line is the caption that documentation shows of it: its job, not what comes in or goes out.
    pub fn says_what_it_is_for(&self) -> bool {
        let caption = self.first_line.strip_prefix("//! ");
        caption.is_some_and(|caption| !caption.starts_with("In:") && !caption.starts_with("Out:"))
    }

    fn read(&mut self, tokens: &[TokenTree], function: Option<&str>) {
        let mut at = 0;
        // The function whose body comes next.
        let mut next_function: Option<String> = None;
        while let Some(token) = tokens.get(at) {
            if is_test_attribute(&tokens[at..]) {
                at = end_of_item(tokens, at + 2);
                continue;
            }
            match token {
                TokenTree::Ident(word) => {
                    if word == "fn"
                        && let Some(TokenTree::Ident(name)) = tokens.get(at + 1)
                    {
                        next_function = Some(name.to_string());
                    }
                    // `use<…>` is no import: it says what a type that is not named captures.
                    if word == "use" && !is_mark(tokens.get(at + 1), '<') {
                        let end = end_of_item(tokens, at);
                        self.read_import(&tokens[at + 1..end]);
                        at = end;
                        continue;
                    }
                    self.read_noun(word, &tokens[..at], tokens.get(at + 1));
                    at = self.read_path(tokens, at, function);
                    continue;
                }
                TokenTree::Group(group) => {
                    let inside: Vec<TokenTree> = group.stream().into_iter().collect();
                    let body = (group.delimiter() == Delimiter::Brace)
                        .then(|| next_function.take())
                        .flatten();
                    self.read(&inside, body.as_deref().or(function));
                }
                TokenTree::Punct(mark) if mark.as_char() == ';' => next_function = None,
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
            at += 1;
        }
    }

    /// A path that begins here, or a macro; gives the place after it.
    fn read_path(&mut self, tokens: &[TokenTree], at: usize, function: Option<&str>) -> usize {
        let line = tokens[at].span().start().line;
        let (words, mut end) = words_of_path(tokens, at);
        let is_macro = is_mark(tokens.get(end), '!')
            && matches!(tokens.get(end + 1), Some(TokenTree::Group(_)));
        let mut add = |words| {
            self.paths.push(Path {
                words,
                line,
                function: function.map(str::to_owned),
            });
        };
        if is_macro {
            end += 1;
            add(vec![format!("{}!", words[words.len() - 1])]);
        }
        if words.len() > 1 {
            add(words);
        }
        end
    }

    /// `a::{b, c as d}` and the like, each path by itself.
    fn read_import(&mut self, tokens: &[TokenTree]) {
        let mut leaves = Vec::new();
        spell_out(tokens, &[], &mut leaves);
        for (words, name, line) in leaves {
            if let Some(name) = name {
                self.imports.insert(name, words.clone());
            }
            self.paths.push(Path {
                words,
                line,
                function: None,
            });
        }
    }

    fn read_noun(&mut self, word: &Ident, before: &[TokenTree], after: Option<&TokenTree>) {
        const NOUNS: [&str; 4] = ["struct", "enum", "trait", "type"];
        if NOUNS.iter().any(|noun| word == noun)
            && is_public(before)
            && let Some(TokenTree::Ident(name)) = after
        {
            self.nouns
                .push((name.to_string(), name.span().start().line));
        }
    }
}

fn is_mark(token: Option<&TokenTree>, sign: char) -> bool {
    matches!(token, Some(TokenTree::Punct(mark)) if mark.as_char() == sign)
}

/// All files of `src`, and who names whom.
pub struct House {
    pub sources: Vec<Source>,
    by_module: BTreeMap<Vec<String>, usize>,
}

impl House {
    /// These files, by name and text.
    pub fn new<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let sources: Vec<Source> = files
            .into_iter()
            .map(|(name, text)| Source::new(name, text))
            .collect();
        let by_module = sources
            .iter()
            .enumerate()
            .map(|(index, source)| (source.module.clone(), index))
            .collect();
        Self { sources, by_module }
    }

    /// A path from the crate's root (`["output", "synth", …]`), where it leads to a module of this crate.
    pub fn path_from_root(&self, source: &Source, path: &Path) -> Option<Vec<String>> {
        let mut module = match path.words[0].as_str() {
            "crate" => Vec::new(),
            "self" | "super" => source.module.clone(),
            first => {
                let mut child = source.module.clone();
                child.push(first.to_owned());
                if !self.by_module.contains_key(&child) {
                    return self.through_import(source, path);
                }
                source.module.clone()
            }
        };
        for word in &path.words {
            match word.as_str() {
                "crate" | "self" => {}
                "super" => {
                    module.pop();
                }
                _ => module.push(word.clone()),
            }
        }
        Some(module)
    }

    /// The same of a path that begins with an imported name.
    fn through_import(&self, source: &Source, path: &Path) -> Option<Vec<String>> {
        let import = source.imports.get(&path.words[0])?;
        // What is imported under the name with which its own path begins is another crate.
        let is_module = matches!(import[0].as_str(), "crate" | "self" | "super");
        let mut words = is_module.then(|| import.clone())?;
        words.extend_from_slice(&path.words[1..]);
        self.path_from_root(
            source,
            &Path {
                words,
                line: path.line,
                function: None,
            },
        )
    }

    /// The file that a path from the root leads to: through imports, to where the name is defined.
    pub fn file_of(&self, path: &[String]) -> Option<usize> {
        let mut path = path.to_vec();
        // A name has passed through fewer doors than there are files.
        for _ in 0..self.sources.len() {
            let length = (0..=path.len())
                .rev()
                .find(|&length| self.by_module.contains_key(&path[..length]))?;
            let index = self.by_module[&path[..length]];
            let source = &self.sources[index];
            let Some(next) = path.get(length).and_then(|name| source.imports.get(name)) else {
                return Some(index);
            };
            let words = next.iter().chain(&path[length + 1..]).cloned().collect();
            let next = Path {
                words,
                line: 0,
                function: None,
            };
            match self.path_from_root(source, &next) {
                Some(next) => path = next,
                None => return Some(index),
            }
        }
        None
    }

    /// Circles of files that name each other, each sorted. A folder's head (`mod.rs`, `lib.rs`, `synth.rs` over `synth/`)
    /// names its files, and these may take words from it: that is no circle.
    pub fn circles(&self) -> Vec<Vec<&str>> {
        let reached: Vec<BTreeSet<usize>> = (0..self.sources.len())
            .map(|from| self.reached(from))
            .collect();
        let mut circles = BTreeSet::new();
        for (index, reached_from) in reached.iter().enumerate() {
            let circle: BTreeSet<&str> = reached_from
                .iter()
                .filter(|&&other| reached[other].contains(&index))
                .map(|&other| self.sources[other].name.as_str())
                .collect();
            if circle.len() > 1 {
                circles.insert(circle.into_iter().collect());
            }
        }
        circles.into_iter().collect()
    }

    /// The files that one names, and those that these name, and so on.
    fn reached(&self, from: usize) -> BTreeSet<usize> {
        let mut reached = BTreeSet::new();
        let mut waiting = vec![from];
        while let Some(index) = waiting.pop() {
            for other in self.named_by(index) {
                if reached.insert(other) {
                    waiting.push(other);
                }
            }
        }
        reached
    }

    fn named_by(&self, index: usize) -> BTreeSet<usize> {
        let source = &self.sources[index];
        let paths = source.paths.iter();
        let files = paths
            .filter_map(|path| self.path_from_root(source, path))
            .filter_map(|path| self.file_of(&path));
        let is_head = |&other: &usize| source.module.starts_with(&self.sources[other].module);
        files.filter(|other| !is_head(other)).collect()
    }
}

fn module_of(name: &str) -> Vec<String> {
    let name = name.strip_suffix(".rs").unwrap_or(name);
    let name = name.strip_suffix("/mod").unwrap_or(name);
    match name {
        "lib" => Vec::new(),
        name => name.split('/').map(str::to_owned).collect(),
    }
}

/// `#[cfg(test)]`, or one for which the tests are only a part of the reason: `#[cfg(all(test, …))]`.
fn is_test_attribute(tokens: &[TokenTree]) -> bool {
    let [TokenTree::Punct(mark), TokenTree::Group(group), ..] = tokens else {
        return false;
    };
    let text = group.stream().to_string().replace(' ', "");
    mark.as_char() == '#' && (text.starts_with("cfg(test)") || text.starts_with("cfg(all(test,"))
}

/// The place after the item that begins here: after its body or its semicolon.
fn end_of_item(tokens: &[TokenTree], from: usize) -> usize {
    let ends = |token: &TokenTree| match token {
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        TokenTree::Punct(mark) => mark.as_char() == ';',
        _ => false,
    };
    let item = &tokens[from..];
    // The braces of an import are not its end.
    let is_import = item
        .iter()
        .take_while(|token| !ends(token))
        .any(|token| matches!(token, TokenTree::Ident(word) if word == "use"));
    let length = item.iter().position(|token| match token {
        TokenTree::Group(_) if is_import => false,
        token => ends(token),
    });
    length.map_or(tokens.len(), |length| from + length + 1)
}

/// Whether what begins after these tokens is public: `pub`, not `pub(crate)`.
fn is_public(before: &[TokenTree]) -> bool {
    let is_pub = |token: &TokenTree| matches!(token, TokenTree::Ident(word) if word == "pub");
    match before {
        [.., token] if is_pub(token) => true,
        // `pub unsafe trait`
        [.., token, TokenTree::Ident(word)] if word == "unsafe" => is_pub(token),
        _ => false,
    }
}

/// `::` at this place.
fn is_path_separator(tokens: &[TokenTree], at: usize) -> bool {
    let is_colon =
        |at: usize| matches!(tokens.get(at), Some(TokenTree::Punct(mark)) if mark.as_char() == ':');
    is_colon(at) && is_colon(at + 1)
}

/// The words from here on that are joined by `::`, and the place after them.
fn words_of_path(tokens: &[TokenTree], mut at: usize) -> (Vec<String>, usize) {
    let mut words = Vec::new();
    while let Some(TokenTree::Ident(word)) = tokens.get(at) {
        words.push(word.to_string());
        at += 1;
        match tokens.get(at + 2) {
            Some(TokenTree::Ident(_)) if is_path_separator(tokens, at) => at += 2,
            _ => break,
        }
    }
    (words, at)
}

/// Each path of an import, with the name it has here, and its line.
fn spell_out(
    tokens: &[TokenTree],
    prefix: &[String],
    leaves: &mut Vec<(Vec<String>, Option<String>, usize)>,
) {
    let is_comma =
        |token: &TokenTree| matches!(token, TokenTree::Punct(mark) if mark.as_char() == ',');
    for branch in tokens.split(is_comma) {
        let from = if is_path_separator(branch, 0) { 2 } else { 0 };
        let Some(first) = branch.get(from) else {
            continue;
        };
        let (words, end) = words_of_path(branch, from);
        let mut path: Vec<String> = prefix.to_vec();
        path.extend(words);
        let group = branch.iter().rev().find_map(|token| match token {
            TokenTree::Group(group) => Some(group.stream().into_iter().collect::<Vec<_>>()),
            _ => None,
        });
        if let Some(inside) = group {
            spell_out(&inside, &path, leaves);
            continue;
        }
        if prefix.len() < path.len() && path.len() > 1 && path[path.len() - 1] == "self" {
            path.pop();
        }
        let renamed = match branch.get(end..) {
            Some([TokenTree::Ident(word), TokenTree::Ident(name), ..]) if word == "as" => {
                Some(name.to_string())
            }
            _ => None,
        };
        let is_glob =
            matches!(branch.last(), Some(TokenTree::Punct(mark)) if mark.as_char() == '*');
        let name = renamed
            .or_else(|| path.last().cloned())
            .filter(|_| !is_glob);
        leaves.push((path, name, first.span().start().line));
    }
}
