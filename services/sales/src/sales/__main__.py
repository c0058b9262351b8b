from kith.service import main
from sales.app import SERVICE

main(SERVICE)
