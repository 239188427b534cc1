//! Small tunes against what sounds and what is sung, clause by clause of the standard and dialect by dialect.
//!
//! A case is header lines, music, and the notes of each voice: letters as ABC writes them, accidentals as they sound, lengths in
//! quarters, `z` where nothing sounds, `[…]` for a chord, `|` between voices and layers. Worked out by hand from the text of
//! ABC 2.1; where it says nothing, from what the dialect's own program does.

use ceilid::abc::{self, Tunebook};
use ceilid::performance::{self, Mark};
use ceilid::score::{self, Bar, Score};

/// What holds unless a case says otherwise.
const HEADER: &str = "M:4/4\nL:1/4\nK:C";

/// Header lines (none: [`HEADER`]), music, what sounds.
#[rustfmt::skip]
const CASES: &[(&str, &str, &str)] = &[
    ("", "|:C4|[1,3 D4:|[2 E4:|[4 F4|]", "C4 D4 C4 E4 C4 D4 C4 F4"),
    ("", "|:C4|1,2 D4:|3 E4|]", "C4 D4 C4 D4 C4 E4"),
    ("", "|:C4|1-3 D4:|4 E4||", "C4 D4 C4 D4 C4 D4 C4 E4"),
    ("", "|:C4|1 E4:|2 F4:|3 G4|]", "C4 E4 C4 F4 C4 G4"),
    ("", "|:C4|:D4:|", "C4 D4 D4"),
    ("", "|:C4:|:D4:|", "C4 C4 D4 D4"),
    ("", "|:C4:|]|:D4:|", "C4 C4 D4 D4"),
    ("", "|::C4::|D4|]", "C4 C4 C4 D4"),
    ("", "C4|[K:G]F4:|F4|]", "C4 ^F4 C4 ^F4 ^F4"),
    ("", "|:F4|[K:G]F4:|", "F4 ^F4 F4 ^F4"),
    ("", "|:Z|[M:3/4]Z|C3:|", "z4 z3 C3 z4 z3 C3"),
    ("", "|:C4|[L:1/8]C8:|", "C4 C4 C4 C4"),
    ("", "|:C4|[\"1st\"D4:|[\"2nd\"E4||F4|]", "C4 D4 C4 E4 F4"),
    ("", "|:C4|\n[1 D4|\nE4:|\n[2 F4|\nG4|]", "C4 D4 E4 C4 F4 G4"),
    ("", "|:C4|1D4:|2E4|]|:F4|1G4:|2A4|]", "C4 D4 C4 E4 F4 G4 F4 A4"),
    ("", "|:C4|1D4:|2E4|]F4|1G4:|2A4|]", "C4 D4 C4 E4 F4 G4 F4 A4"),
    ("", "C|:D3 E:|F3|]", "C1 D3 E1 D3 E1 F3"),
    ("", "C4-|:C2D2:|E4|]", "C6 D2 C2 D2 E4"),
    ("", "C4-|C4-|C2D2|]", "C10 D2"),
    ("", "^F4-|F4|F4|]", "^F8 F4"),
    ("", "^F4-|F2F2|]", "^F6 F2"),
    ("", "[CEG]4-|[CEG]4|]", "C8 | E8 | G8"),
    ("", "[C-EG]4|[CEG]4|]", "C8 | E4 E4 | G4 G4"),
    ("", "[CEG]2-[CE]2|]", "C4 | E4 | G2"),
    ("", "C2-[CE]2|]", "C4 | z2 E2"),
    ("", "C2-{d}C2|]", "C4"),
    ("", "C2-(3C/D/E/ F|]", "C2.3333 D.3333 E.3333 F1"),
    ("", "V:1\nC4-|\nV:2\nE4|\nV:1\nC4|\nV:2\nE4|", "C8 | E4 E4"),
    ("", "^C2-_D2|]", "^C4"),
    ("", "(3C2DE|]", "C1.3333 D.6667 E.6667"),
    ("", "(3:2:2C2D|]", "C1.3333 D.6667"),
    ("", "C2(3CD|E F2|]", "C2 C.6667 D.6667 E.6667 F2"),
    ("M:3/4\nL:1/4\nK:C", "(5CDEFG|]", "C.4 D.4 E.4 F.4 G.4"),
    ("M:9/8\nL:1/8\nK:C", "(5CDEFG|]", "C.3 D.3 E.3 F.3 G.3"),
    ("M:12/8\nL:1/8\nK:C", "(7CDEFGAB|]", "C.214286 D.214286 E.214286 F.214286 G.214286 A.214286 B.214286"),
    ("", "(9CDEFGABcd|]", "C.2222 D.2222 E.2222 F.2222 G.2222 A.2222 B.2222 c.2222 d.2222"),
    ("", "C4|[M:6/8](5CDEFG|]", "C4 C.6 D.6 E.6 F.6 G.6"),
    ("", "(3zCE|]", "z.6667 C.6667 E.6667"),
    ("", "(3{g}CD{fg}E F|]", "C.6667 D.6667 E.6667 F1"),
    ("", "(3[CE]D[EG]|]", "[CE].6667 D.6667 [EG].6667"),
    ("", "(3(\"G\"C.DE)F|]", "C.6667 D.6667 E.6667 F1"),
    ("", "(3:2CDE F|]", "C.6667 D.6667 E.6667 F1"),
    ("", "(4::CDEF|]", "C.75 D.75 E.75 F.75"),
    ("", "(3C>DE|]", "C1 D.3333 E.6667"),
    ("", "(3CDE(3FGA|]", "C.6667 D.6667 E.6667 F.6667 G.6667 A.6667"),
    ("M:3/4\nL:1/4\nK:C", "(2CD|]", "C1.5 D1.5"),
    ("", "(8CDEFGABc|]", "C.375 D.375 E.375 F.375 G.375 A.375 B.375 c.375"),
    ("", "C2D2&E4|F4|]", "C2 D2 F4 | E4"),
    ("", "C4&z2E2|F4|]", "C4 F4 | z2 E2"),
    ("", "C4|D4&F4|]", "C4 D4 | z4 F4"),
    ("", "C4&E4&G4|]", "C4|E4|G4"),
    ("", "V:1\nC4&E4|D4|\nV:2\nG,4|A,4|", "C4 D4|E4|G,4 A,4"),
    ("", "C4&E2|F4|]", "C4 F4|E2"),
    ("", "^c C c, c'|]", "^c1 ^C1 ^C1 ^c'1"),
    ("", "^F F|F F|]", "^F1 ^F1 F1 F1"),
    ("", "V:1\n^F4|\nV:2\nF4|", "^F4|F4"),
    ("", "[V:1]^F2[V:2]F4|[V:1]F2|]", "^F2 ^F2|F4"),
    ("M:4/4\nL:1/4\nK:D", "=F F|f F|]", "F1 F1 ^f1 ^F1"),
    ("", "[I:propagate-accidentals octave]^F f F2|]", "^F1 f1 ^F2"),
    ("", "[I:propagate-accidentals not]^F F F2|]", "^F1 F1 F2"),
    ("", "|:C4|1^F4:|2F4|]", "C4 ^F4 C4 F4"),
    ("", "^F4:|:F4|]", "^F4 ^F4 F4"),
    ("", "^F2\nF2|]", "^F2 ^F2"),
    ("", "__B B|^^F F|]", "A1 A1 G1 G1"),
    ("M:4/4\nL:1/4\nK:F", "=B B|B2|]", "B1 B1 _B2"),
    ("", "(3^FGF|F2|]", "^F.6667 G.6667 ^F.6667 F2"),
    ("", "[C^F]2F2|]", "C2 | ^F2 ^F2"),
    ("", "^F2.|F2|]", "^F2 F2"),
    ("M:4/4\nL:1/4\nK:D exp ^f _b", "FBfc|]", "^F1 _B1 ^f1 c1"),
    ("M:4/4\nL:1/4\nK:D ^g", "FGCA|]", "^F1 ^G1 ^C1 A1"),
    ("M:4/4\nL:1/4\nK:D Phr ^f", "FBEA|]", "^F1 _B1 _E1 A1"),
    ("M:4/4\nL:1/4\nK:C exp", "FBEA|]", "F1 B1 E1 A1"),
    ("M:4/4\nL:1/4\nK:A =c", "FCGA|]", "^F1 C1 ^G1 A1"),
    ("M:4/4\nL:1/4\nK:Ab minor", "FCGA|]", "_F1 _C1 _G1 _A1"),
    ("M:4/4\nL:1/4\nK:F#loc", "FCGA|]", "^F1 C1 G1 A1"),
    ("M:4/4\nL:1/4\nK:Bbdor", "DEAB|]", "_D1 _E1 _A1 _B1"),
    ("M:4/4\nL:1/4\nK:G MIXOLYDIAN", "FCGA|]", "F1 C1 G1 A1"),
    ("M:4/4\nL:1/4\nK:Emaj", "FCGD|]", "^F1 ^C1 ^G1 ^D1"),
    ("M:4/4\nL:1/4\nK:D bass", "FCDA|]", "^F1 ^C1 D1 A1"),
    ("M:4/4\nL:1/4\nK:C transpose=-2", "CDEF|]", "_B,1 C1 D1 _E1"),
    ("M:4/4\nL:1/4\nK:C octave=-1", "CDEF|]", "C,1 D,1 E,1 F,1"),
    ("M:4/4\nL:1/4\nK:G", "F4|[K:clef=bass]F4|]", "^F4 ^F4"),
    ("M:4/4\nL:1/4\nK:C treble-8", "CDEF|]", "C,1 D,1 E,1 F,1"),
    ("", "V:1\nF4|[K:D]F4|\nV:2\nF4|F4|", "F4 ^F4|F4 F4"),
    ("M:4/4\nL:1/4\nK:G % one sharp", "F4|]", "^F4"),
    ("M:4/4\nL:1/4\nK:D exp ^f ^c _b", "FCGB|]", "^F1 ^C1 G1 _B1"),
    ("M:4/4\nL:1/4\nK:none", "FCGB|]", "F1 C1 G1 B1"),
    ("M:4/4\nL:1/4\nK:Gm ^f", "FBEc|]", "^F1 _B1 _E1 c1"),
    ("M:4/4\nL:1/4\nK:F♯m", "FC2|]", "^F1 ^C2"),
    ("", "C4|[M:3/4]Z|D3|]", "C4 z3 D3"),
    ("", "C4|\nM:6/8\nZ2|D3|]", "C4 z6 D3"),
    ("M:(2+3)/8\nK:C", "C4|]", "C1"),
    ("M:11/16\nK:C", "C4|]", "C1"),
    ("M:none\nK:C", "C4|]", "C2"),
    ("M:C|\nK:C", "C4|]", "C2"),
    ("K:C", "C4|]", "C2"),
    ("M:4/4\nL:1\nK:C", "C|C/|]", "C4 C2"),
    ("", "C2[L:1/8]C2D2|]", "C2 C1 D1"),
    ("M:4/4\nL:3/16\nK:C", "C|]", "C.75"),
    ("L:1/16\nM:4/4\nK:C", "C4|]", "C1"),
    ("M:4/4\nK:C", "C4|[M:2/4]C4|]", "C2 C2"),
    ("", "[C/E/]2D|]", "[CE]1 D1"),
    ("", "[CE]>[DF]|]", "[CE]1.5 [DF].5"),
    ("", "[CE]3/2[DF]/|]", "[CE]1.5 [DF].5"),
    ("", "[C E G]4|]", "[CEG]4"),
    ("", "[\"Am\"CE]4|]", "[CE]4"),
    ("", "[!1!C!3!E]4|]", "[CE]4"),
    ("", "[^CE^G]2[CEG]2|]", "^C2 ^C2|E2 E2|^G2 ^G2"),
    ("", "C>z D2|]", "C1.5 z.5 D2"),
    ("", "z<C D2|]", "z.5 C1.5 D2"),
    ("", "C > D E2|]", "C1.5 D.5 E2"),
    ("", "C2>D2|]", "C3 D1"),
    ("", "C>\"G\"D E2|]", "C1.5 D.5 E2"),
    ("", "C>{e}D E2|]", "C1.5 D.5 E2"),
    ("", "C>!trill!D E2|]", "C1.5 D.5 E2"),
    ("", "C<<<D|]", "C.125 D1.875"),
    ("", "C>D>E F|]", "C1.5 D.75 E.5 F1"),
    ("M:4/4\nL:1/4\nP:A2B\nK:C", "P:A\nC4|\nP:B\nD4|", "C4 C4 D4"),
    ("M:4/4\nL:1/4\nP:((AB)2.A)2\nK:C", "P:A\nC4|\nP:B\nD4|", "C4 D4 C4 D4 C4 C4 D4 C4 D4 C4"),
    ("M:4/4\nL:1/4\nP:ABA\nK:C", "P:A\n|:C4:|\nP:B\nD4|", "C4 C4 D4 C4 C4"),
    ("M:4/4\nL:1/4\nP:BA\nK:C", "[P:A]C4|[P:B]D4|", "D4 C4"),
    ("M:4/4\nL:1/4\nP:AXB\nK:C", "P:A\nC4|\nP:B\nD4|", "C4 D4"),
    ("M:4/4\nL:1/4\nP:ABA\nK:C", "P:A\nF4|\nP:B\nK:G\nF4|", "F4 ^F4 F4"),
    ("M:4/4\nL:1/4\nP:BA\nK:C", "[V:1][P:A]C4|[P:B]D4|\n[V:2][P:A]E4|[P:B]F4|", "D4 C4|F4 E4"),
    ("", "P:A\nC4|\nP:B\nD4|", "C4 D4"),
    ("M:4/4\nL:1/4\nP:A.B.A\nK:C", "P:A\nC4|\nP:B\nD4|", "C4 D4 C4"),
    ("", "m: ~G2 = {A}G{F}G\n~G2 C2|]", "G1 G1 C2"),
    ("M:4/4\nL:1/4\nm: ~G2 = A/G F/\nK:C", "~G2 C2|]", "A.5 G1 F.5 C2"),
    ("M:4/4\nL:1/4\nm: ~n2 = o/n m/\nK:C", "~G2 ~c2|]", "A.5 G1 F.5 d.5 c1 B.5"),
    ("M:4/4\nL:1/4\nm: ~n2 = o/n m/\nK:C", "~c'2|]", "d'.5 c'1 b.5"),
    ("M:4/4\nL:1/4\nm: ~G2 = D2\nm: ~G3 = C3\nK:C", "~G3|]", "C3"),
    ("", "CD\\ % x\nEF|]", "C1 D1 E1 F1"),
    ("", "CD\\\n% comment\nEF|]", "C1 D1 E1 F1"),
    ("", "C4|D\\\n%%MIDI program 4\n^F FF|F4|]", "C4 D1 ^F1 ^F1 ^F1 F4"),
    ("", "CD%EF|\nGA|]", "C1 D1 G1 A1"),
    ("", "CD\\\nw:la la\nEF|]", "C1 D1 E1 F1"),
    ("", "C4|\\\nM:3/4\nZ|D3|]", "C4 z3 D3"),
    ("", "C[r:hello CDE]D EF|]", "C1 D1 E1 F1"),
    ("", "C[N:hello CDE]D EF|]", "C1 D1 E1 F1"),
    ("", "\tC D\tE F|]", "C1 D1 E1 F1"),
    ("", "CDEF|]\nw:la la\n+:la la", "C1 D1 E1 F1"),
    ("", "CD|\nT:second\nEF|]", "C1 D1 E1 F1"),
    ("M:4/4\nL:1/4\nU:W=\"^hi\"\nK:C", "WC DEF|]", "C1 D1 E1 F1"),
    ("M:4/4\nL:1/4\nU:T=!none!\nK:C", "TC DEF|]", "C1 D1 E1 F1"),
    ("", "U:q=!accent!\nqC DEF|]", "C1 D1 E1 F1"),
    ("M:4/4\nL:1/4\nU:t = +trill+\nK:C", "tC DEF|]", "C1 D1 E1 F1"),
    ("", "CDEF|!\nGABc|!", "C1 D1 E1 F1 G1 A1 B1 c1"),
    ("", "CDEF!|GABc!|", "C1 D1 E1 F1 G1 A1 B1 c1"),
    ("", "“G”C D’ E–|E2 z2|]", "C1 d1 E3 z2"),
    ("M:4/4\nL:1/4\nK:G\u{a0}", "F4|]", "^F4"),
    ("", "C\u{200b}D\u{feff}EF|]", "C1 D1 E1 F1"),
    ("", "CDEF|<br>\nGABc|<br/>", "C1 D1 E1 F1 G1 A1 B1 c1"),
    ("", "C4&amp;E4|F4|]", "C4 F4|E4"),
    ("", "C&lt;D EF|]", "C.5 D1.5 E1 F1"),
    ("", "\n+f+C2 [EG]2 +pp+ z2 C2", "C2 [EG]2 z2 C2"),
    ("", "|:C4|[1.2 D4:|[3 E4|]", "C4 D4 C4 D4 C4 E4"),
    ("", "(&C4|D4&E4|F4&)|G4|]", "C4 D4 G4|E4 F4"),
    ("", "C#D*E;F?@|]", "C1 D1 E1 F1"),
    ("M:3\u{2044}4\nL:1/4\nK:C", "Z|C3|]", "z3 C3"),
    ("R: reel\nM: 4/4\nL: 1/4\nK: Dmajor", "|:F2 A2:|", "^F2 A2 ^F2 A2"),
    ("", "V: 1 \nC4|\nV: 2\nE4|\nV: 1\nD4|\nV: 2 \nF4|", "C4 D4|E4 F4"),
    ("", "V:1 transpose=-12\nV:2 octave=1\n[V:1]c4|[V:2]C4|", "C4|c4"),
    ("M:4/4\nL:1/4\nV:1 clef=bass octave=-1\nK:C", "[V:1]C4|", "C,4"),
    ("", "C y D y3 EF|]", "C1 D1 E1 F1"),
    ("", "C0 D2|]", "D2"),
    ("", "C4[|D4[|]E4.|F4||G4|]", "C4 D4 E4 F4 G4"),
    ("", "C4|!segno!D4|E4!fine!|F4!D.S.alfine!|]", "C4 D4 E4 F4 D4 E4"),
    ("", "z8 C|]", "z8 C1"),
    ("", ".(CD.) .C-C|]", "C1 D1 C2"),
    ("", "CD$\nEF|", "C1 D1 E1 F1"),
    ("", "“C”C“G7”D EF|", "C1 D1 E1 F1"),
    ("", "„C“C D EF|", "C1 D1 E1 F1"),
    ("", "«C»C D EF|", "C1 D1 E1 F1"),
    ("", "c′ c’ cʼ c´|", "c'1 c'1 c'1 c'1"),
    ("", "CD\u{ad} EF|", "C1 D1 E1 F1"),
    ("", "CD… EF|", "C1 D1 E1 F1"),
    ("", "C\u{2044} C\u{2044} D EF|", "C.5 C.5 D1 E1 F1"),
    ("", "C1\u{2044}2 C\u{2215}2 D EF|", "C.5 C.5 D1 E1 F1"),
    ("", "♯F ♭B ♮B F|", "^F1 _B1 B1 ^F1"),
    ("", "CD｜EF｜", "C1 D1 E1 F1"),
    ("", "&quot;C&quot;C D&#124;EF|", "C1 D1 E1 F1"),
    ("", "&#34;C&#34;C DEF|", "C1 D1 E1 F1"),
    ("", "c&apos;c&#39;c&#x27;c|", "c'1 c'1 c'1 c1"),
    ("", "C&lt;&lt;D EF|", "C.25 D1.75 E1 F1"),
    ("", "C&gt;D EF|", "C1.5 D.5 E1 F1"),
    ("", "C&amp;E|", "C1|E1"),
    ("", "C\\_D\\*EF\\|", "C1 _D1 E1 F1"),
    ("M:4/4\nL:1/4\nI:linebreak !\nK:C", "CD!EF|", "C1 D1 E1 F1"),
    ("", "CD[K:G clef=bass]EF|", "C1 D1 E1 ^F1"),
    ("", "CD[K:clef=bass]EF|", "C1 D1 E1 F1"),
    ("", "CD[I:clef bass]EF|", "C1 D1 E1 F1"),
    ("M:4/4\nL:1/4\n%%voicecombine 1\nK:C", "V:1\nCDEF|\nV:2\nEFGA|", "C1 D1 E1 F1|E1 F1 G1 A1"),
    ("M:4/4\nL:1/4\n%%staves [1 2]\nK:C", "V:1\nCDEF|\nV:2\nEFGA|", "C1 D1 E1 F1|E1 F1 G1 A1"),
    ("M:4/4\nL:1/4\n%%deco foo 3 foo 10 0 0\nK:C", "!foo!CDEF|", "C1 D1 E1 F1"),
    ("", "CD[|]EF|", "C1 D1 E1 F1"),
    ("", "CD[]EF|", "C1 D1 E1 F1"),
    ("", "|:C4|[\"1.\"D4:|[\"2.\"E4|]", "C4 D4 C4 E4"),
    ("", "|:C4|[\"first time\"D4:|[\"second time\"E4|]", "C4 D4 C4 E4"),
    ("", "|:C4|1.D4:|2.E4|]", "C4 D4 C4 E4"),
    ("", "|:C4|[1D4:|]|[2E4|]", "C4 D4 C4 E4"),
    ("", "|:C4|[1D4:|[2E4|]", "C4 D4 C4 E4"),
    ("", "C4:: D4:|", "C4 C4 D4 D4"),
    ("", "[V:1]C4|[M:3/4]Z|D3|\n[V:2]E4|[M:3/4]E3|F3|", "C4 z3 D3|E4 E3 F3"),
    ("M:4/4\nL:1/4\nV:1 name=\"a b\" clef=treble-8\nV:2 nm=\"x\" transpose=-12\nK:C", "[V:1]c4|\n[V:2]c4|", "C4|C4"),
    ("M:4/4\nL:1/4\nV:1 stem=up gstem=down dyn=up lyrics=up stafflines=1 cl=bass\nK:C", "V:1\nCDEF|", "C1 D1 E1 F1"),
    ("", "[ CE ]2 [C E]2|", "[CE]2 [CE]2"),
    ("", "[C2E2]/ [CE]/2 [CE]//|", "[CE]1 [CE].5 [CE].25"),
    ("", "C/ C/2 C// C/4 C3/4 C///|", "C.5 C.5 C.25 C.25 C.75 C.125"),
    ("", "c, C' C,' c''|", "C1 c1 C1 c''1"),
    ("", "C2, D2|", "C2 D2"),
    ("", "^ F F2|", "F1 F2"),
    ("", "Z3|C4|", "z12 C4"),
    ("", "X2|C4|", "z8 C4"),
    ("", "x2x2|C4|", "z4 C4"),
    ("M:6/8\nL:1/8\nK:C", "Z|C6|", "z3 C3"),
    ("", "C4|!segno!D4|E4!D.S.!|]", "C4 D4 E4 D4 E4"),
    ("", "C4|D4!tocoda!|E4!D.C.alcoda!|!coda!F4|]", "C4 D4 E4 C4 D4 F4"),
    ("", "|:C4:|D4!fine!|E4!D.C.!|]", "C4 C4 D4 E4 C4 D4"),
    ("", "|:C4|1 D4:|2 E4:|", "C4 D4 C4 E4"),
    ("", "|:CDEF:", "C1 D1 E1 F1"),
    ("", "|:C4:||:D4:|", "C4 C4 D4 D4"),
    ("", "|:C4 :| |: D4 :|", "C4 C4 D4 D4"),
    ("", "CD\n%%text GABc\nEF|", "C1 D1 E1 F1"),
    ("", "CD\n%%begintext\nGABc|\n%%endtext\nEF|", "C1 D1 E1 F1"),
    ("", "CDEF|\nW:GABc|\nW: abc", "C1 D1 E1 F1"),
    ("", "{[ce]g}C{/b}D {}E F|", "C1 D1 E1 F1"),
    ("", "CD[Q:1/4=90]EF|", "C1 D1 E1 F1"),
    ("M:4/4\nL:1/4\nQ: \"Allegro\" 1/4 = 120\nK:C", "CDEF|", "C1 D1 E1 F1"),
    ("M:4/4\nL:1/4\nK:G", "=F4-|F4|F4|", "F8 ^F4"),
    ("", "[V:1]CD\n[V:2]EF\n[V:1]EF|\n[V:2]GA|", "C1 D1 E1 F1|E1 F1 G1 A1"),
    ("", "V:A\nCDEF\nV:B\nEFGA", "C1 D1 E1 F1|E1 F1 G1 A1"),
    ("M:4/4\nL:1/4\nK:C transpose=2", "C2[K:C transpose=0]C2|", "D2 C2"),
    ("", "|:C4-|1C4:|2C2D2|]", "C8 C6 D2"),
    ("", "[C2E2]-[CE]2|]", "C4|E4"),
    ("", "(C2C2)|]", "C2 C2"),
    ("", "^C4-|C2C2|]", "^C6 C2"),
    ("", "[V:1]^C4|C4|\n[V:2]C4|^C4|", "^C4 C4|C4 ^C4"),
    ("M:4/4\nL:1/4\nK:F#min", "FGcB|]", "^F1 ^G1 ^c1 B1"),
    ("M:4/4\nL:1/4\nK:G mix", "Fcfc|]", "F1 c1 f1 c1"),
    ("M:4/4\nL:1/4\nK:D DORIAN", "Bc|]", "B1 c1"),
    ("M:4/4\nL:1/4\nK:BLoc", "BE|]", "B1 E1"),
    ("M:4/4\nL:1/4\nK:EPhr", "F2|]", "F2"),
    ("M:4/4\nL:1/4\nK:FLydian", "B2|]", "B2"),
    ("M:4/4\nL:1/4\nK:Eaeolian", "F2|]", "^F2"),
    ("M:4/4\nL:1/4\nK:G ionian", "F2|]", "^F2"),
    ("M:4/4\nL:1/4\nK:Dm", "B2|]", "_B2"),
    ("M:4/4\nL:1/4\nK:D m", "B2|]", "_B2"),
    ("M:4/4\nL:1/4\nK:Dm ^c", "Bc|]", "_B1 ^c1"),
    ("M:4/4\nL:1/4\nK:HP", "fcgG|]", "^f1 ^c1 g1 G1"),
    ("M:4/4\nL:1/4\nK:Hp", "fcg|]", "^f1 ^c1 g1"),
    ("", "[V:1]C2[L:1/8]C4|\n[V:2]E4|", "C2 C2|E4"),
    ("", "V:1 octave=-1\nC4|\nV:2\nE4|", "C,4|E4"),
    ("", "V:1 clef=treble-8\nC4|", "C,4"),
    ("", "V:1 transpose=2\nC4|", "D4"),
    ("", "[CE]3/4[DF]1/4|]", "[CE].75 [DF].25"),
    ("", "C3>D E|]", "C4.5 D.5 E1"),
    ("", "C>D-|D2 E2|]", "C1.5 D2.5 E2"),
    ("", "(3C<DE F|]", "C.3333 D1 E.6667 F1"),
    ("", "(3:2:4C D/ E/ F|]", "C.6667 D.3333 E.3333 F.6667"),
    ("", "(3::4C D/ E/ F|]", "C.6667 D.3333 E.3333 F.6667"),
    ("", "(5:4:5C/D/E/F/G/|]", "C.4 D.4 E.4 F.4 G.4"),
    ("M:6/8\nL:1/8\nK:C", "(4CDEF|]", "C.375 D.375 E.375 F.375"),
    ("M:6/8\nL:1/8\nK:C", "(2CD|]", "C.75 D.75"),
    ("", "[Cz]2|]", "C2"),
    ("", "z/ z// z3/2 C|]", "z2.25 C1"),
    ("", "Z|C4|]", "z4 C4"),
    ("M:3/4\nL:1/4\nK:C", "Z3|C3|]", "z9 C3"),
    ("M:4/4\nL:1/4\nP:ABA\nK:C", "P:A\nC|D4|\nP:B\nE4|", "C1 D4 E4 C1 D4"),
    ("M:4/4\nL:1/4\nP:ABA\nK:C", "P:A\n|:C4:|\nP:B\n|:D4|1E4:|2F4|]", "C4 C4 D4 E4 D4 F4 C4 C4"),
    ("M:4/4\nL:1/4\nP:(AB)3\nK:C", "P:A\nC4|\nP:B\nD4|", "C4 D4 C4 D4 C4 D4"),
    ("", "|:C4|1 D4:|2 E4|]", "C4 D4 C4 E4"),
    ("", "|:C4| [1 D4:| [2 E4|]", "C4 D4 C4 E4"),
    ("", "|:C4|[1-3 D4:|[4 E4|]", "C4 D4 C4 D4 C4 D4 C4 E4"),
    ("", "|:C4|[1,2,4 D4:|[3 E4:|]", "C4 D4 C4 D4 C4 E4 C4 D4"),
    ("", "|:::C4:::|", "C4 C4 C4 C4"),
    ("", "|:C4::|", "C4 C4 C4"),
    ("", "[|C4|D4|]", "C4 D4"),
    ("", "[V:1]|:C4:|D4|\n[V:2]|:E4:|F4|", "C4 C4 D4|E4 E4 F4"),
    ("", "m:~n=n/n/\n~CD2E|]", "C.5 C.5 D2 E1"),
    ("M:4/4\nL:1/4\nm:~n=n/n/\nK:C", "~C D2E|]", "C.5 C.5 D2 E1"),
    ("M:4/4 % hi\nL:1/4%x\nK:C % y", "CD|]", "C1 D1"),
    ("M:4/4\nL:1/4\nN:one\n+:two\nK:C", "CD|]", "C1 D1"),
    ("", "CD\\ \nEF|]", "C1 D1 E1 F1"),
    ("", "!f!C!p!D!<(!E!<)!F|]", "C1 D1 E1 F1"),
    ("", "!wibble!C D|]", "C1 D1"),
    ("", "!C D E F|]", "C1 D1 E1 F1"),
    ("", "\"^a [b] {c}\"C D|]", "C1 D1"),
    ("", "\"C\"[CE]\"G\"[DG]|]", "[CE]1 [DG]1"),
    ("", "({g}C D)|]", "C1 D1"),
    ("", "CDEF|\ns: !f! * \"G\" !p!|", "C1 D1 E1 F1"),
    ("", "CDEF|\nw: a b c d\ns: !f! * * *\nGABc|", "C1 D1 E1 F1 G1 A1 B1 c1"),
    ("", "CD\\\nK:G\nEF|]", "C1 D1 E1 ^F1"),
    ("", "^c' c' =c'|]", "^c'1 ^c'1 c'1"),
    ("", "[^CE]C|]", "[^CE]1 ^C1"),
    ("", "C2&E2|F2|]", "C2 F2|E2"),
    ("", "C4&E4|D4&F4|]", "C4 D4|E4 F4"),
    ("", "[CE][K:D][CF]|]", "[CE]1 [^C^F]1"),
    ("", "[]C|]", "C1"),
    ("", "|:C4|1 D4 :|\n|2 E4 |]", "C4 D4 C4 E4"),
    ("", "|:C4 [1 D4:| [2 E4|]", "C4 D4 C4 E4"),
    ("", "!segno!C4|D4!coda!|E4!D.S.alcoda!|!coda!F4|]", "C4 D4 E4 C4 D4 F4"),
];

/// Whole files of one tune, `CDEF` in quarters.
#[rustfmt::skip]
const FILES: &[&str] = &[
    "```abc\nX:1\nT:t\nL:1/4\nK:C\nCDEF|\n```\n",
    "~~~\nX:1\nT:t\nL:1/4\nK:C\nCDEF|\n~~~\n",
    "> X:1\n> T:t\n> L:1/4\n> K:C\n> CDEF|\n",
    "Some words\n\n    X:1\n    T:t\n    M:4/4\n    L:1/4\n    K:C\n    CDEF|\n",
    "\tX:1\n\tT:t\n\tM:4/4\n\tL:1/4\n\tK:C\n\tCDEF|\n",
    "> X:1\n> T:t\n> M:4/4\n> L:1/4\n> K:C\n> CDEF|\n",
    "[abc]\nX:1\nT:t\nM:4/4\nL:1/4\nK:C\nCDEF|\n[/abc]\n",
    "[abc]X:1\nT:t\nM:4/4\nL:1/4\nK:C\nCDEF|[/abc]\n",
    "<pre>X:1\nT:t\nM:4/4\nL:1/4\nK:C\nCDEF|</pre>\n",
    "<p>X:1<br>\nT:t<br>\nM:4/4<br>\nL:1/4<br>\nK:C<br>\nCDEF|<br>\n</p>\n",
    "X:1<br />\nT:t<br />\nM:4/4<br />\nL:1/4<br />\nK:C<br />\nCD&nbsp;EF|<br />\n",
    "```abc {.numberLines}\nX:1\nT:t\nM:4/4\nL:1/4\nK:C\nCDEF|\n```\ntext GABc|\n",
    "```music-abc\nX:1\nT:t\nM:4/4\nL:1/4\nK:C\nCDEF|\n```\nwords\n",
    "1. a tune\n\n   ```abc\n   X:1\n   T:t\n   M:4/4\n   L:1/4\n   K:C\n   CDEF|\n   ```\n",
    "<score lang=\"ABC\">\nX:1\nT:t\nM:4/4\nL:1/4\nK:C\nCDEF|\n</score>\n",
    "X:1\n\nT:t\n\nM:4/4\n\nL:1/4\n\nK:C\n\nCDEF|\n\n",
    "X:1\rT:t\rM:4/4\rL:1/4\rK:C\rCDEF|\r",
    "X:1\r\r\nT:t\r\r\nM:4/4\r\r\nL:1/4\r\r\nK:C\r\r\nCDEF|\r\r\n",
    "X:1\n\rT:t\n\rM:4/4\n\rL:1/4\n\rK:C\n\rCDEF|\n\r",
    "\u{feff}X:1\nT:t\nM:4/4\nL:1/4\nK:C\nCDEF|\n",
    "x:1\nT:t\nM:4/4\nL:1/4\nK:C\nCDEF|\n",
    "X:1\nT:t\nM:4/4\nL:1/4\nk:C\nCDEF|\n",
    "X: 1\nT: t\nM: 4/4\nL: 1/4\nK: C\nCDEF|\n",
    " X:1\n T:t\n M:4/4\n L:1/4\n K:C\n CDEF|\n",
];

/// Music, its `w:` lines, and which syllable falls on which note: `.` where none does, `/` between times through.
#[rustfmt::skip]
const LYRICS: &[(&str, &str, &str)] = &[
    ("CDEF|", "syll-a-ble three", "syll- a- ble three"),
    ("CDEF|", "syll-a--ble", "syll- a- . ble"),
    ("CDEF|", "syll-a -ble", "syll- a- . ble"),
    ("CDEF|", "time__ x", "time . . x"),
    ("CDEF|", "of the~day x", "of the day x ."),
    ("CDEF|", "* a * b", ". a . b"),
    ("CDEF|", "a\\-b c", "a-b c . ."),
    ("CDEF|", "ma\u{f1}-a-na &eacute;", "mañ- a- na é"),
    ("CDEF|GABc|", "a|b", "a . . . b . . ."),
    ("CDEF|GABc|", "|a b", ". . . . a b . ."),
    ("CDEF|GABc|d4|", "a||b", "a . . . . . . . b"),
    ("|:CDEF:||:GABc:|", "a b|c", "a b . . / a b . . c . . . / c . . ."),
    // Too many syllables for the bar: the sign is ignored (§5.1).
    ("CDEF|GABc|", "a b c d e|f", "a b c d e f . ."),
    ("CDEF|GABc|d4|", "a b c d e|f g|h", "a b c d e f g . h"),
    // Rests, grace notes and spacers have no syllable; tied notes have one each (here the second of them does not sound).
    ("C z D x|{g}E y F2 G|", "a b c d e", "a b c d e"),
    ("C-C (DE)|", "a b c d", "a c d"),
    ("[CE][DF] G2|", "a b c", "a . b . c"),
    ("CD\nEF|", "a b c d", "a b c d"),
    ("CD\nEF|", "a b \\\nw:c d", "a b c d"),
    ("CD\nEF|", "a b\n+:c d", "a b c d"),
    ("(3CDE F2|", "a b c d", "a b c d"),
    // The first line the first time, the second the next.
    ("|:CD|EF:|", "a b|c d\nw:e f|g h", "a b c d / e f g h"),
    ("|:CD|EF:|", "a b|c d", "a b c d / a b c d"),
    ("|:C2|1D2:|2E2|]", "a b c\nw:d * e", "a b / d c"),
];

fn tune_text(header: &str, music: &str) -> String {
    let header = if header.is_empty() { HEADER } else { header };
    format!("X:1\nT:t\n{header}\n{music}\n")
}

fn first_score(book: &str) -> Score {
    let tune = Tunebook::new(book.as_bytes()).flatten().next();
    tune.map_or_else(
        || score::read(&abc::parse("").tune).score,
        |tune| score::read(&abc::parse_tune(&tune).tune).score,
    )
}

/// Onset and length in quarters and hundredths, and pitch.
type Sound = (i64, i64, u8);

fn sounding(book: &str) -> Vec<Sound> {
    let score = first_score(book);
    let hundredths =
        |ticks: u64| (ticks as f64 * 100.0 / f64::from(score.resolution.get())).round() as i64;
    let notes = score.voices.iter().flat_map(|voice| &voice.notes);
    let mut sounds: Vec<Sound> = notes
        .map(|note| {
            let (onset, length) = (note.onset.get(), note.duration.get());
            (hundredths(onset), hundredths(length), note.pitch.number())
        })
        .collect();
    sounds.sort_unstable();
    sounds
}

/// A pitch as ABC writes it, its accidental taken alone, and what follows.
fn pitch(text: &str) -> (u8, &str) {
    let letter = text
        .find(|c: char| c.is_ascii_alphabetic())
        .expect("a letter");
    let sign = text[letter..].chars().next().expect("a letter");
    let natural = match sign.to_ascii_uppercase() {
        'C' => 60,
        'D' => 62,
        'E' => 64,
        'F' => 65,
        'G' => 67,
        'A' => 69,
        _ => 71,
    };
    let mut number = natural + if sign.is_ascii_lowercase() { 12 } else { 0 };
    for accidental in text[..letter].chars() {
        number += if accidental == '^' { 1 } else { -1 };
    }
    let mut rest = &text[letter + 1..];
    while let Some(mark @ (',' | '\'')) = rest.chars().next() {
        number += if mark == ',' { -12 } else { 12 };
        rest = &rest[1..];
    }
    (u8::try_from(number).expect("a MIDI note"), rest)
}

fn expected(text: &str) -> Vec<Sound> {
    let mut sounds = Vec::new();
    for voice in text.split('|') {
        let mut at = 0.0;
        for item in voice.split_whitespace() {
            let mut pitches = Vec::new();
            let mut rest = item.trim_start_matches(['[', 'z']);
            while rest.starts_with(|c: char| c.is_ascii_alphabetic() || "^_".contains(c)) {
                let (pitch, after) = pitch(rest);
                pitches.push(pitch);
                rest = after.trim_start_matches(']');
            }
            let length: f64 = rest.parse().expect("a length in quarters");
            let hundredths = |quarters: f64| (quarters * 100.0).round() as i64;
            sounds.extend(
                pitches
                    .iter()
                    .map(|&pitch| (hundredths(at), hundredths(length), pitch)),
            );
            at += length;
        }
    }
    sounds.sort_unstable();
    sounds
}

/// Whether two lists are the same but for a hundredth that was rounded.
fn same(ours: &[Sound], wanted: &[Sound]) -> bool {
    let near = |a: i64, b: i64| a.abs_diff(b) <= 1;
    ours.len() == wanted.len()
        && ours
            .iter()
            .zip(wanted)
            .all(|(a, b)| near(a.0, b.0) && near(a.1, b.1) && a.2 == b.2)
}

fn check<'a>(cases: impl Iterator<Item = (String, &'a str)>) {
    let mut wrong = Vec::new();
    let mut count = 0;
    for (book, notes) in cases {
        count += 1;
        let (ours, wanted) = (sounding(&book), expected(notes));
        if !same(&ours, &wanted) {
            wrong.push(format!("{book}: {ours:?}, not {wanted:?}"));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {count}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn what_is_written_sounds_as_the_standard_says() {
    check(
        CASES
            .iter()
            .map(|(header, music, notes)| (tune_text(header, music), *notes)),
    );
}

#[test]
fn tunes_are_found_in_what_people_paste() {
    check(FILES.iter().map(|file| ((*file).to_owned(), "C1 D1 E1 F1")));
}

#[test]
fn mending_and_printing_leave_every_case_as_it_sounds() {
    for (header, music, _) in CASES {
        let text = tune_text(header, music);
        for tune in Tunebook::new(text.as_bytes()).flatten() {
            let mended = abc::edited(tune.text(), &abc::edits(&tune, 1));
            assert_eq!(
                sounding(&mended),
                sounding(&text),
                "{text} mended: {mended}"
            );
            let printed = abc::print(&abc::parse_tune(&tune).tune);
            assert_eq!(
                sounding(&printed),
                sounding(&text),
                "{text} printed: {printed}"
            );
            let again = abc::print(&abc::parse(&printed).tune);
            assert_eq!(again, printed, "{text}");
        }
    }
}

#[test]
fn syllables_fall_on_their_notes() {
    for (music, words, wanted) in LYRICS {
        let text = tune_text("", &format!("{music}\nw:{words}"));
        let score = first_score(&text);
        let marks = performance::plain(&score).marks;
        let sung: Vec<_> = marks
            .iter()
            .filter_map(|timed| match &timed.mark {
                Mark::Lyric(syllable) => Some((timed.at, syllable)),
                _ => None,
            })
            .collect();
        let mut shown: Vec<String> = Vec::new();
        for (index, note) in score.voices[0].notes.iter().enumerate() {
            let bars = score.bars.iter().filter(|bar| bar.onset <= note.onset);
            let (mut before, is_again) = (bars.rev(), |bar: &Bar| bar.pass > 0);
            let begins = |bar: &Bar| bar.onset == note.onset && is_again(bar);
            let is_back = before.next().is_some_and(begins) && !before.next().is_some_and(is_again);
            if is_back {
                shown.push("/".into());
            }
            let syllable = sung.iter().find(|(at, _)| *at == note.onset);
            let is_first = index == 0 || score.voices[0].notes[index - 1].onset != note.onset;
            shown.push(
                syllable
                    .filter(|_| is_first)
                    .map_or(".".into(), |(_, text)| text.to_string()),
            );
        }
        assert_eq!(shown.join(" "), *wanted, "{music} w:{words}");
    }
}
