"""The bundle's C# program, compiled and run by Mono where that is installed, against a stand-in for the library.

Mono speaks C# 7, the program C# 12 (as .NET 8 does): the three things that are newer are written in the old way first.
The stand-in has the signatures of onnxruntime-genai's own C# sources (Model, Tokenizer, TokenizerStream, Sequences,
GeneratorParams, Generator), so that a misspelt name or a wrong argument does not compile.
"""

import shutil
import subprocess
from pathlib import Path

import pytest

from firstlight_core.exports.bundle_zip import SAMPLE_CSHARP

STAND_IN = """
using System;
namespace Microsoft.ML.OnnxRuntimeGenAI {
  public class Held : IDisposable { public void Dispose() { } }
  public class Model : Held {
    public Model(string path) { Console.WriteLine("model " + System.IO.Path.GetFileName(path)); }
  }
  public class Sequences : Held { }
  public class TokenizerStream : Held { public string Decode(int token) { return "<" + token + ">"; } }
  public class Tokenizer : Held {
    public Tokenizer(Model model) { }
    public string ApplyChatTemplate(string template_str, string messages, string tools, bool add_generation_prompt) {
      Console.WriteLine(messages); return messages;
    }
    public Sequences Encode(string str) { return new Sequences(); }
    public TokenizerStream CreateStream() { return new TokenizerStream(); }
  }
  public class GeneratorParams : Held {
    public GeneratorParams(Model model) { }
    public void SetSearchOption(string searchOption, double value) { }
    public void SetSearchOption(string searchOption, bool value) { }
  }
  public class Generator : Held {
    int made;
    public Generator(Model model, GeneratorParams generatorParams) { }
    public void AppendTokenSequences(Sequences sequences) { }
    public bool IsDone() { return made == 3; }
    public void GenerateNextToken() { made++; }
    public int[] GetSequence(ulong index) { return new[] { made }; }
  }
}
namespace System.Text.Json {
  public static class JsonSerializer {
    public static string Serialize<T>(T value) {
      return string.Join(";", (object[])(object)value);
    }
  }
}
"""


def in_older_words(program: str) -> str:
    """The same program for a compiler without top-level statements, `using var` and indices from the end."""
    lines = program.splitlines()
    body = next(i for i, line in enumerate(lines) if line.startswith("using var"))
    text = "\n".join(lines[body:]).replace("using var ", "var ").replace("[^1]", "[0]")
    head = ["using System;", "using System.IO;", *lines[:body]]
    main = "static class Program { static void Main(string[] args) {"
    return "\n".join([*head, main, text, "} }"])


@pytest.mark.skipif(
    not shutil.which("mcs") or not shutil.which("mono"), reason="Mono is not installed"
)
def test_the_csharp_program_compiles_and_answers(tmp_path: Path) -> None:
    program, stand_in = tmp_path / "Program.cs", tmp_path / "StandIn.cs"
    program.write_text(in_older_words(SAMPLE_CSHARP))
    stand_in.write_text(STAND_IN)
    made = subprocess.run(
        ["mcs", "-warnaserror+", "-nowarn:8632", "-out:chat.exe", program.name, stand_in.name],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert made.returncode == 0, made.stdout + made.stderr
    done = subprocess.run(
        ["mono", "chat.exe", "What", "is", "int4?"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    model, messages, answer = done.stdout.split()[:2], done.stdout, done.stdout.splitlines()[-1]
    assert model == ["model", "model"] and answer == "<1><2><3>"
    assert "role = user" in messages and "content = What is int4?" in messages
