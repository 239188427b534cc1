//! Text strings: the escapes of ABC 2.1 §8.2 (`\'e`, `&eacute;`, `\u00e9`) → characters.
//!
//! Comes in: the text of a title, a name, a lyric. Goes out: the same with accents. Unknown escapes stay as written.

/// Two-character mnemonics after the backslash and what they stand for.
#[rustfmt::skip]
const MNEMONICS: &[(&str, char)] = &[
    ("`A", 'À'), ("`a", 'à'), ("`E", 'È'), ("`e", 'è'), ("`I", 'Ì'), ("`i", 'ì'), ("`O", 'Ò'), ("`o", 'ò'), ("`U", 'Ù'), ("`u", 'ù'),
    ("'A", 'Á'), ("'a", 'á'), ("'E", 'É'), ("'e", 'é'), ("'I", 'Í'), ("'i", 'í'), ("'O", 'Ó'), ("'o", 'ó'), ("'U", 'Ú'), ("'u", 'ú'), ("'Y", 'Ý'), ("'y", 'ý'),
    ("^A", 'Â'), ("^a", 'â'), ("^E", 'Ê'), ("^e", 'ê'), ("^I", 'Î'), ("^i", 'î'), ("^O", 'Ô'), ("^o", 'ô'), ("^U", 'Û'), ("^u", 'û'), ("^Y", 'Ŷ'), ("^y", 'ŷ'),
    ("~A", 'Ã'), ("~a", 'ã'), ("~N", 'Ñ'), ("~n", 'ñ'), ("~O", 'Õ'), ("~o", 'õ'),
    ("\"A", 'Ä'), ("\"a", 'ä'), ("\"E", 'Ë'), ("\"e", 'ë'), ("\"I", 'Ï'), ("\"i", 'ï'), ("\"O", 'Ö'), ("\"o", 'ö'), ("\"U", 'Ü'), ("\"u", 'ü'), ("\"Y", 'Ÿ'), ("\"y", 'ÿ'),
    ("cC", 'Ç'), ("cc", 'ç'), ("AA", 'Å'), ("aa", 'å'), ("/O", 'Ø'), ("/o", 'ø'),
    ("uA", 'Ă'), ("ua", 'ă'), ("uE", 'Ĕ'), ("ue", 'ĕ'), ("vS", 'Š'), ("vs", 'š'), ("vC", 'Č'), ("vc", 'č'), ("vZ", 'Ž'), ("vz", 'ž'),
    ("HO", 'Ő'), ("Ho", 'ő'), ("HU", 'Ű'), ("Hu", 'ű'), ("AE", 'Æ'), ("ae", 'æ'), ("OE", 'Œ'), ("oe", 'œ'), ("ss", 'ß'),
    ("DH", 'Ð'), ("dh", 'ð'), ("TH", 'Þ'), ("th", 'þ'),
];

/// The longest name or number of an entity, and its semicolon.
const ENTITY_BYTES_MAX: usize = 9;
/// Named entities after the ampersand: the standard's, and what web pages make of the signs of music.
#[rustfmt::skip]
const ENTITIES: &[(&str, char)] = &[
    ("amp", '&'), ("quot", '"'), ("lt", '<'), ("gt", '>'), ("copy", '©'), ("apos", '\''), ("nbsp", '\u{a0}'), ("shy", '\u{ad}'),
    ("ndash", '–'), ("mdash", '—'), ("minus", '−'), ("lsquo", '‘'), ("rsquo", '’'), ("ldquo", '“'), ("rdquo", '”'), ("laquo", '«'), ("raquo", '»'),
    ("prime", '′'), ("Prime", '″'), ("frac14", '¼'), ("frac12", '½'), ("frac34", '¾'), ("sharp", '♯'), ("flat", '♭'), ("natural", '♮'),
    ("Agrave", 'À'), ("agrave", 'à'), ("Egrave", 'È'), ("egrave", 'è'), ("Igrave", 'Ì'), ("igrave", 'ì'), ("Ograve", 'Ò'), ("ograve", 'ò'), ("Ugrave", 'Ù'), ("ugrave", 'ù'),
    ("Aacute", 'Á'), ("aacute", 'á'), ("Eacute", 'É'), ("eacute", 'é'), ("Iacute", 'Í'), ("iacute", 'í'), ("Oacute", 'Ó'), ("oacute", 'ó'), ("Uacute", 'Ú'), ("uacute", 'ú'),
    ("Yacute", 'Ý'), ("yacute", 'ý'), ("Acirc", 'Â'), ("acirc", 'â'), ("Ecirc", 'Ê'), ("ecirc", 'ê'), ("Icirc", 'Î'), ("icirc", 'î'), ("Ocirc", 'Ô'), ("ocirc", 'ô'), ("Ucirc", 'Û'), ("ucirc", 'û'),
    ("Atilde", 'Ã'), ("atilde", 'ã'), ("Ntilde", 'Ñ'), ("ntilde", 'ñ'), ("Otilde", 'Õ'), ("otilde", 'õ'),
    ("Auml", 'Ä'), ("auml", 'ä'), ("Euml", 'Ë'), ("euml", 'ë'), ("Iuml", 'Ï'), ("iuml", 'ï'), ("Ouml", 'Ö'), ("ouml", 'ö'), ("Uuml", 'Ü'), ("uuml", 'ü'), ("yuml", 'ÿ'),
    ("Ccedil", 'Ç'), ("ccedil", 'ç'), ("Aring", 'Å'), ("aring", 'å'), ("Oslash", 'Ø'), ("oslash", 'ø'), ("AElig", 'Æ'), ("aelig", 'æ'), ("szlig", 'ß'),
    ("ETH", 'Ð'), ("eth", 'ð'), ("THORN", 'Þ'), ("thorn", 'þ'),
];

/// The text with its escapes replaced.
pub fn decoded(text: &str) -> String {
    if !text.contains(['\\', '&', '$']) {
        return text.to_owned();
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['\\', '&']) {
        plain.push_str(&rest[..at]);
        rest = &rest[at..];
        match escape(rest) {
            Some((character, length)) => {
                plain.push(character);
                rest = &rest[length..];
            }
            None => {
                plain.push_str(&rest[..1]);
                rest = &rest[1..];
            }
        }
    }
    plain.push_str(rest);
    plain
}

/// The character that an entity at the start of `text` names or numbers (`&gt;`, `&#39;`, `&#x2019;`), and the entity's length.
pub(super) fn entity(text: &str) -> Option<(char, usize)> {
    let name = text.strip_prefix('&')?;
    let end = name
        .bytes()
        .take(ENTITY_BYTES_MAX)
        .position(|byte| byte == b';')?;
    let name = &name[..end];
    let character = match name.strip_prefix('#') {
        Some(number) => {
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16),
                None => number.parse(),
            };
            char::from_u32(code.ok()?).filter(|character| *character != '\0')?
        }
        None => ENTITIES.iter().find(|(known, _)| *known == name)?.1,
    };
    Some((character, end + 2))
}

/// The character an escape at the start of `text` stands for, and the escape's length in bytes.
fn escape(text: &str) -> Option<(char, usize)> {
    if text.starts_with('&') {
        return entity(text);
    }
    let after = &text[1..];
    let digits = |count: usize| {
        let hex = after.get(1..1 + count)?;
        hex.bytes()
            .all(|byte| byte.is_ascii_hexdigit())
            .then_some(hex)
    };
    match after.chars().next()? {
        '\\' | '%' | '&' => after.chars().next().map(|character| (character, 2)),
        'u' if digits(4).is_some() => {
            let code = u32::from_str_radix(digits(4)?, 16).ok()?;
            Some((char::from_u32(code)?, 6))
        }
        'U' if digits(8).is_some() => {
            let code = u32::from_str_radix(digits(8)?, 16).ok()?;
            Some((char::from_u32(code)?, 10))
        }
        _ => {
            let pair = after.get(..2)?;
            let found = MNEMONICS.iter().find(|(known, _)| *known == pair)?;
            Some((found.1, 3))
        }
    }
}

/// Where the quote is that ends a text, one after a backslash passed by.
pub(super) fn closing_quote(text: &[u8]) -> Option<usize> {
    let mut is_escaped = false;
    text.iter().position(|&byte| {
        let closes = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        closes
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_ways_to_write_an_accent_give_the_same_letter() {
        for text in ["Caf\\'e", "Caf&eacute;", "Caf\\u00e9", "Café"] {
            assert_eq!(decoded(text), "Café");
        }
    }

    #[test]
    fn what_is_no_escape_stays_as_it_is() {
        for text in [
            "Rock & Roll",
            "50\\",
            "\\q",
            "&nosuch;",
            "\\u12",
            "a\\Uzz",
            "&é;",
        ] {
            assert_eq!(decoded(text), text);
        }
        assert_eq!(decoded("100\\%"), "100%");
    }

    #[test]
    fn entities_have_names_or_numbers() {
        assert_eq!(
            decoded("O&#39;Neill&rsquo;s &#x266F;1 &#0; &#xd800; &#99999999;"),
            "O'Neill’s ♯1 &#0; &#xd800; &#99999999;"
        );
    }
}
