//! What a tune's title looks like: the books' own, brought to one form, and the rules that a new one must keep.
//!
//! In: text. Out: a title in its usual form, or a yes or no. Knows no book.

use crate::music::Dance;
use crate::token::dance_in_words;

/// A title is shorter than this, in characters.
pub const TITLE_CHARACTERS_MAX: usize = 40;

/// Given names that a second name makes a person's: those that the books' titles and players' lists are full of.
const GIVEN_NAMES: &[&str] = &[
    "aggie",
    "alan",
    "alasdair",
    "alec",
    "alex",
    "alice",
    "andrew",
    "andy",
    "angus",
    "ann",
    "anna",
    "anne",
    "annie",
    "archie",
    "arthur",
    "barney",
    "ben",
    "bernard",
    "bertie",
    "bess",
    "bessie",
    "bet",
    "betsy",
    "betty",
    "biddy",
    "bill",
    "billy",
    "bob",
    "bobby",
    "brian",
    "bridget",
    "cathal",
    "catherine",
    "charles",
    "charley",
    "charlie",
    "chris",
    "christy",
    "con",
    "cormac",
    "dan",
    "daniel",
    "danny",
    "dave",
    "david",
    "davie",
    "davy",
    "denis",
    "dennis",
    "dick",
    "dinny",
    "dolly",
    "donald",
    "dora",
    "dougal",
    "duncan",
    "eamonn",
    "ed",
    "eddie",
    "edward",
    "elizabeth",
    "ellen",
    "eoin",
    "ewan",
    "fanny",
    "father",
    "felix",
    "finbar",
    "flora",
    "frank",
    "fred",
    "gan",
    "garrett",
    "geoff",
    "george",
    "gerry",
    "grace",
    "hamish",
    "hannah",
    "harriet",
    "harry",
    "hector",
    "helen",
    "henry",
    "hugh",
    "hughie",
    "ian",
    "isaac",
    "jack",
    "jackie",
    "jackson",
    "jacky",
    "james",
    "jamie",
    "jane",
    "janet",
    "jane",
    "jean",
    "jeannie",
    "jeff",
    "jenny",
    "jeremy",
    "jerry",
    "jessie",
    "jim",
    "jimmy",
    "joan",
    "joe",
    "joey",
    "john",
    "johnnie",
    "johnny",
    "joseph",
    "judy",
    "julia",
    "kate",
    "kathleen",
    "katie",
    "katy",
    "ken",
    "kenneth",
    "kitty",
    "larry",
    "laurence",
    "lawrence",
    "liam",
    "lizzie",
    "lucy",
    "luke",
    "malcolm",
    "margaret",
    "maria",
    "mark",
    "martin",
    "mary",
    "mat",
    "matt",
    "matthew",
    "maud",
    "maurice",
    "meg",
    "mervyn",
    "michael",
    "mick",
    "mickey",
    "micky",
    "mike",
    "molly",
    "moll",
    "nancy",
    "nathaniel",
    "ned",
    "neil",
    "nell",
    "nelly",
    "nick",
    "niel",
    "norah",
    "nora",
    "oliver",
    "owen",
    "paddy",
    "pat",
    "patrick",
    "patsy",
    "paul",
    "peg",
    "peggy",
    "peter",
    "phil",
    "philip",
    "phoebe",
    "polly",
    "rab",
    "rachel",
    "ralph",
    "ray",
    "richard",
    "rob",
    "robert",
    "robin",
    "rodney",
    "roger",
    "ronald",
    "rory",
    "rosalie",
    "rose",
    "ross",
    "roy",
    "sal",
    "sally",
    "sam",
    "sandy",
    "sarah",
    "sean",
    "seamus",
    "shane",
    "sheila",
    "simon",
    "sophia",
    "stephen",
    "steve",
    "stuart",
    "susan",
    "ted",
    "teddy",
    "terence",
    "terry",
    "thady",
    "thomas",
    "tim",
    "timothy",
    "tom",
    "tommy",
    "tony",
    "ulick",
    "victoria",
    "walter",
    "wat",
    "will",
    "william",
    "willie",
    "willy",
    "winnie",
];

/// Words before a possessive that make no full name of it: `The Miller's`, `Lady Ann's`, `Old Kate's`.
const BEFORE_A_NAME: &[&str] = &[
    "the", "a", "my", "our", "her", "his", "old", "young", "auld", "big", "little", "wee", "black",
    "bonny", "bonnie", "lady", "lord", "miss", "mrs", "mr", "captain", "colonel", "major",
    "general", "sir", "doctor", "dr", "farmer", "king", "queen", "prince", "princess", "st",
    "saint", "widow", "of", "to", "at", "in", "from", "for", "and", "on", "over", "with", "new",
    "by",
];

/// Words that no title ends with.
const NEVER_LAST: &[&str] = &[
    "the", "a", "an", "of", "and", "to", "in", "at", "on", "or", "for", "from", "by", "with", "my",
    "your", "his", "her", "our", "old", "o", "o'", "new", "mr", "mrs", "miss", "captain", "lady",
    "lord", "st", "off", "into", "over", "is", "was", "i",
];

/// A book's title as people say it: `MILLER'S -- JIG, The` is `The Miller's Jig`. `None` where that is no title to learn from:
/// numbers, other letters than English ones, too long, a person's full name.
pub fn usual_form(title: &str) -> Option<String> {
    let plain: String = title
        .replace(" -- ", " ")
        .chars()
        .map(|c| match c {
            '’' | '`' | '\u{b4}' => '\'',
            '_' => ' ',
            other => other,
        })
        .filter(|c| !matches!(c, '"' | '“' | '”' | '.' | '!' | '?' | '*' | ';' | ':'))
        .collect();
    // What follows is another name of it, or a remark.
    let plain = plain.split(['(', '[', '/', '|', '{']).next()?.trim();
    let (rest, article) = match plain.rsplit_once(',') {
        Some((rest, article))
            if ["the", "a", "an"].contains(&article.trim().to_lowercase().as_str()) =>
        {
            (rest, article.trim())
        }
        Some((before, after)) if after.trim().chars().all(|c| !c.is_alphabetic()) => (before, ""),
        Some(_) => return None,
        None => (plain, ""),
    };
    let shouts = !rest.chars().any(char::is_lowercase);
    let mut words: Vec<String> = [article]
        .into_iter()
        .chain(rest.split_whitespace())
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect();
    for (place, word) in words.iter_mut().enumerate() {
        let lower = word.to_lowercase();
        let is_small = place > 0
            && [
                "of", "the", "and", "a", "in", "to", "on", "at", "for", "by", "o'", "an", "with",
                "from",
            ]
            .contains(&lower.as_str());
        *word = match (
            is_small,
            shouts || word.chars().skip(1).any(char::is_lowercase),
        ) {
            (true, _) => lower,
            (false, true) if shouts => capitalised(&lower),
            _ => capitalised(word),
        };
    }
    let title = words.join(" ");
    is_title(&title).then_some(title)
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or(String::new(), |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

/// Whether this could stand over a tune: English letters and apostrophes, words that say something, not too long, and no
/// person's full name.
pub fn is_title(title: &str) -> bool {
    let words: Vec<String> = title.split(' ').map(str::to_lowercase).collect();
    let is_lettered = title
        .chars()
        .all(|c| c.is_ascii_alphabetic() || matches!(c, ' ' | '\'' | '-' | '&'));
    let letters = title.chars().filter(char::is_ascii_alphabetic).count();
    is_lettered
        && (4..TITLE_CHARACTERS_MAX).contains(&title.chars().count())
        && letters >= 4
        && words
            .iter()
            .all(|word| word.chars().any(|c| c.is_ascii_alphabetic() || c == '&'))
        && title.starts_with(|c: char| c.is_ascii_uppercase())
        && !words
            .last()
            .is_some_and(|last| NEVER_LAST.contains(&last.as_str()) || last == "&")
        && words.windows(2).all(|pair| pair[0] != pair[1])
        && words.iter().filter(|word| *word == "the").count() <= 2
        && !title[1..].contains("The ")
        && !is_full_name(title)
}

/// Whether somebody is called so, first and second name: a given name before another name, or two names with a possessive.
pub fn is_full_name(title: &str) -> bool {
    let words: Vec<&str> = title.split(' ').collect();
    words.windows(2).any(|pair| {
        let (first, second) = (pair[0].to_lowercase(), pair[1]);
        let is_name = second.starts_with(|c: char| c.is_ascii_uppercase());
        let is_given = GIVEN_NAMES.contains(&first.as_str());
        let is_owner = second.ends_with("'s") || second.ends_with("s'");
        let is_thing = dance_in_words(second).is_some();
        let is_initial = first.len() == 1 && first != "a";
        is_name
            && !is_thing
            && (is_given || is_initial || (is_owner && !BEFORE_A_NAME.contains(&first.as_str())))
    })
}

/// Whether a title that names a dance names this one.
pub fn suits(title: &str, dance: Dance) -> bool {
    dance_in_words(title).is_none_or(|named| named == dance)
}

/// What two titles share that are the same but for small and capital letters, signs and articles.
pub fn bare(title: &str) -> String {
    let words = title.split_whitespace().map(|word| {
        word.chars()
            .filter(char::is_ascii_alphanumeric)
            .collect::<String>()
            .to_lowercase()
    });
    words
        .filter(|word| !["the", "a", "an", ""].contains(&word.as_str()))
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn books_titles_are_brought_to_one_form() {
        let forms = [
            ("MILLER'S -- JIG", Some("Miller's Jig")),
            ("Lark on the Strand, The.", Some("The Lark on the Strand")),
            ("\"All the Go\" -- Reel", Some("All the Go Reel")),
            ("The Rakes (2nd setting)", Some("The Rakes")),
            ("No. 17", None),
            ("Tom Murphy's Fancy", None),
            ("Bó na leath adhairce", None),
        ];
        for (title, form) in forms {
            assert_eq!(usual_form(title).as_deref(), form, "{title}");
        }
    }

    #[test]
    fn nobody_is_named_in_full() {
        for name in [
            "John Ryan's",
            "Paddy Fahey",
            "Trimble Malone's Jig",
            "J Kennedy",
            "The Kitty Lee",
        ] {
            assert!(is_full_name(name), "{name}");
        }
        for title in [
            "The Miller's Daughter",
            "Peggy's Wedding",
            "Kitty's Jig",
            "Lady Ann's Reel",
            "The Rose in the Heather",
            "Old Kate's",
        ] {
            assert!(!is_full_name(title), "{title}");
        }
    }

    #[test]
    fn a_title_ends_with_a_word_that_can_end_it_and_fits_its_dance() {
        assert!(
            is_title("The Hare in the Corn")
                && !is_title("The Hare in the")
                && !is_title("the hare")
                && !is_title("Ox")
        );
        assert!(!is_title("The Long and Winding Road to the Fair of Tralee"));
        assert!(
            suits("The Bridge Reel", Dance::Reel)
                && !suits("The Bridge Reel", Dance::Jig)
                && suits("The Bridge", Dance::Jig)
        );
        assert_eq!(bare("The Rakes of Mallow!"), bare("Rakes of  Mallow, The"));
    }
}
