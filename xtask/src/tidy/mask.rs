//! Rust text taken apart into code and comments, so that a rule about one is not triggered by the other, nor by what
//! stands in a string.
//!
//! A full parser would say no more: the rules look for words, and only need to know which of them are code.

/// The two halves of a source file. Each has the lines of the whole, with spaces for what belongs to neither or to
/// the other: a position in one is the same position in all, counted in characters.
pub(super) struct Masked {
    /// Without comments and without what stands between quotes.
    pub(super) code: String,
    /// Comments alone, with their slashes.
    pub(super) comments: String,
}

#[derive(Clone, Copy)]
enum Part {
    Code,
    Comment,
    /// What stands between quotes.
    Literal,
}

impl Masked {
    pub(super) fn new(text: &str) -> Self {
        let chars: Vec<char> = text.chars().collect();
        let mut masked = Masked { code: String::new(), comments: String::new() };
        let mut at = 0;
        while at < chars.len() {
            let (part, len) = token(&chars, at);
            // A literal keeps its length, so that lines and columns stay; a token never has length 0.
            for &char in &chars[at..(at + len).min(chars.len())] {
                masked.push(char, part);
            }
            at += len;
        }
        masked
    }

    fn push(&mut self, char: char, part: Part) {
        let blank = if char == '\n' { '\n' } else { ' ' };
        let (code, comment) = match part {
            Part::Code => (char, blank),
            Part::Comment => (blank, char),
            Part::Literal => (blank, blank),
        };
        self.code.push(code);
        self.comments.push(comment);
    }
}

/// What starts at `at`, and how many characters long it is.
fn token(chars: &[char], at: usize) -> (Part, usize) {
    let rest = &chars[at..];
    match rest {
        ['/', '/', ..] => (Part::Comment, rest.iter().position(|&char| char == '\n').unwrap_or(rest.len())),
        ['/', '*', ..] => (Part::Comment, block_comment_len(rest)),
        ['"', ..] => (Part::Literal, quoted_len(rest, '"')),
        ['\'', '\\', ..] => (Part::Literal, quoted_len(rest, '\'')),
        ['\'', _, '\'', ..] => (Part::Literal, 3),
        ['r', ..] if !(at > 0 && is_word(chars[at - 1]) && !is_prefix(chars, at)) => {
            raw_string_len(rest).map_or((Part::Code, 1), |len| (Part::Literal, len))
        }
        _ => (Part::Code, 1),
    }
}

/// Whether the character before `at` is the `b` or `c` of `br"` or `cr"`.
fn is_prefix(chars: &[char], at: usize) -> bool {
    matches!(chars[at - 1], 'b' | 'c') && !(at > 1 && is_word(chars[at - 2]))
}

/// Whether `char` may stand in a word of Rust.
pub(super) fn is_word(char: char) -> bool {
    char.is_alphanumeric() || char == '_'
}

fn block_comment_len(rest: &[char]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        match rest[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// The length of a literal that ends at the first `quote` without a backslash before it.
fn quoted_len(rest: &[char], quote: char) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != quote {
        at += if rest[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

/// The length of `r"..."`, `r#"..."#` and so on; `None` if it is none.
fn raw_string_len(rest: &[char]) -> Option<usize> {
    let hashes = rest[1..].iter().take_while(|&&char| char == '#').count();
    if rest.get(1 + hashes) != Some(&'"') {
        return None;
    }
    let end: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
    let body = &rest[2 + hashes..];
    let len =
        body.windows(end.len()).position(|window| window == end).map_or(body.len(), |at| at + end.len());
    Some(2 + hashes + len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, code: &str, comments: &str) {
        let masked = Masked::new(text);
        let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(
            (squeezed(&masked.code), squeezed(&masked.comments)),
            (code.into(), comments.into()),
            "{text}"
        );
        for part in [&masked.code, &masked.comments] {
            assert_eq!(part.chars().count(), text.chars().count(), "{text}");
            assert_eq!(part.lines().count(), text.lines().count(), "{text}");
        }
    }

    #[test]
    fn code_comments_and_literals_are_told_apart() {
        check("a // b \"\nc", "a c", "// b \"");
        check("a /* b /* c */ \" */ d", "a d", "/* b /* c */ \" */");
        check(r#"a "b \" // c" d"#, "a d", "");
        check("a r\"\\\" b", "a b", "");
        check("r#\"a \" // \"# b // c", "b", "// c");
        check("br##\"a\"# \"## b", "b b", "");
        check("for\"a\" r#type b", "for r#type b", "");
        check("'\"' a '\\'' b 'c: &'d str", "a b 'c: &'d str", "");
        check("\"two\nlines\" a", "a", "");
        check("a \"open", "a", "");
        check("a /* open", "a", "/* open");
    }
}
