"""Reads devices, and sends commands to them."""

from brume import BrumeError
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from . import node
from .forms import CommandForm


@require_GET
def show(request):
    return page(request, CommandForm.fresh())


@require_POST
def send(request):
    form = CommandForm(request.POST)
    if not form.is_valid():
        return page(request, form, status=400)
    wish = form.cleaned_data
    try:
        node.client().command(wish["device"], wish["name"], wish["input"], deadline=wish["deadline"], key=wish["key"])
    except BrumeError as error:
        # What the node does not take; what the device made of it stands in the list of commands.
        form.add_error(None, " ".join(filter(None, [error.message, error.hint])))
        return page(request, form, status=503 if error.retry == "later" else 400)
    return redirect("show")


def page(request, form, status=200):
    try:
        seen = {"devices": node.devices(), "commands": node.commands(), "problem": None}
    except BrumeError as error:
        seen = {"devices": [], "commands": [], "problem": error}
    return render(request, "controls/page.html", {"form": form, **seen}, status=status)
