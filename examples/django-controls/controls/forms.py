"""What a person may send to a device."""

import json
import secrets

from django import forms


class CommandForm(forms.Form):
    device = forms.CharField(max_length=512, widget=forms.TextInput(attrs={"list": "devices", "autocomplete": "off"}))
    name = forms.CharField(label="Command", max_length=128, widget=forms.TextInput(attrs={"autocomplete": "off"}))
    input = forms.CharField(required=False, max_length=8_192, help_text="JSON, or nothing", widget=forms.TextInput())
    deadline = forms.FloatField(label="Deadline, seconds", min_value=0.1, max_value=60, initial=10)
    # Made with the page: a form that is sent twice, by a double click or a reload, is one command.
    key = forms.CharField(min_length=8, max_length=64, widget=forms.HiddenInput())

    @classmethod
    def fresh(cls):
        return cls(initial={"key": secrets.token_hex(16), "deadline": 10})

    def clean_input(self):
        text = self.cleaned_data["input"].strip()
        if text == "":
            return None
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            raise forms.ValidationError(f"This is no JSON: {error}") from error
