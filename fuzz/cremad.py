"""CREMA-D: tables of ratings and of actors, and file names."""

from __future__ import annotations

from pathlib import Path

from fuzz._corpora import NAMES, prepare_and_label, write_audio
from fuzz._strategies import lines_like

SUMMARY = b""""","FileName","VoiceVote","VoiceLevel","FaceVote","FaceLevel",\
"MultiModalVote","MultiModalLevel"
"1","1001_IEO_HAP_LO","N","71.67","H","57","H","57.38"
"2","1001_IEO_ANG_MD","A:D","37.20:58.60","A","60.5","A","72"
"3","1040_ITH_SAD_XX","S","55","S","70","S","80"
"""
VOTES = b""""","A","D","F","H","N","S","fileName","numResponses","agreement","emoVote",\
"meanEmoResp"
"100002",0,0,0,3,6,0,"1001_IEO_HAP_LO",9,0.667,"N",62
"200002",0,0,0,9,1,0,"1001_IEO_HAP_LO",10,0.9,"H",57
"300002",0,0,0,8,2,0,"1001_IEO_HAP_LO",10,0.8,"H",57.38
"100009",5,5,0,0,1,1,"1001_IEO_ANG_MD",12,0.417,"A:D",50.6
"""
PEOPLE = b""""ActorID","Age","Sex","Race","Ethnicity"
1001,51,"Male","Caucasian","Not Hispanic"
1040,42,"Male","Caucasian","Not Hispanic"
"""
CLIPS = ("1001_IEO_HAP_LO", "1001_IEO_ANG_MD", "1040_ITH_SAD_X")


def valid() -> list[dict[str, bytes]]:
    """Three clips that are in all tables."""
    return [
        {
            "data/processedResults/summaryTable.csv": SUMMARY,
            "data/processedResults/tabulatedVotes.csv": VOTES,
            "data/VideoDemographics.csv": PEOPLE,
            NAMES: "\n".join(f"AudioWAV/{clip}.wav" for clip in CLIPS).encode(),
        }
    ]


def generated():
    """Lines of all files in any order, with other words in them."""
    from hypothesis import strategies as st

    return st.fixed_dictionaries({name: lines_like(data) for name, data in valid()[0].items()})


def try_case(folder: Path) -> None:
    """Prepare the corpus and label it by every source."""
    prepare_and_label("cremad", write_audio(folder))
