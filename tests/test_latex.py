from ser_brain.latex import escape, to_latex
from ser_brain.tables import Table

BEST = {"value": 0.5, "low": 0.4, "high": 0.6, "best": True, "marks": "*"}
PLAIN = {"value": 0.25, "low": None, "high": None}


def test_a_table():
    table = Table(
        "t",
        "95 % of a_b.",
        ["Set", "WA", "F1", "WA"],
        [["emo_db", BEST, PLAIN, None], ["x‡", PLAIN, PLAIN, 1200]],
        over=["", "one & two", "one & two", "b"],
    )
    assert to_latex(table).splitlines() == [
        r"% Needs \usepackage{booktabs}.",
        r"\begin{table}",
        r"\centering\footnotesize\setlength{\tabcolsep}{4pt}",
        r"\caption{95 \% of a\_b.}",
        r"\label{tab:t}",
        r"\begin{tabular}{lrrr}",
        r"\toprule",
        r"\multicolumn{1}{c}{} & \multicolumn{2}{c}{one \& two} & \multicolumn{1}{c}{b} \\",
        r"\cmidrule(lr){2-3} \cmidrule(lr){4-4}",
        r"Set & WA & F1 & WA \\",
        r"\midrule",
        r"emo\_db & \textbf{0.500\textsuperscript{*}} & 0.250 & -- \\",
        r" & {\scriptsize [0.400, 0.600]} &  &  \\",
        r"x\textsuperscript{\textdaggerdbl} & 0.250 & 0.250 & 1,200 \\",
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]


def test_a_table_without_headings_over_others():
    lines = to_latex(Table("t", "c", ["a"], [[-0.5]])).splitlines()
    assert lines[7:9] == [r"a \\", r"\midrule"]


def test_what_latex_would_read_is_escaped():
    assert escape("a\\b{c}$d^e~f#g&h\n%i_j<k>") == (
        r"a\textbackslash{}b\{c\}\$d\textasciicircum{}e\textasciitilde{}f\#g\&h \%i\_j"
        r"\textless{}k\textgreater{}"
    )
    assert escape("B − A × 2 – 3") == r"B $-$ A $\times$ 2 -- 3"
